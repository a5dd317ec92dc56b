"""Which kernels a run gets, and where they come from: every way that fails ends in one line and PyTorch's."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asked import config

from bench.jobs.kernels import Kernels, require
from bench.records.setting import Setting
from bench.request.kernels import chosen
from bench.views.kernels import lines
from tickets.errors import UserError
from tickets.hosts import triton
from tickets.hosts.native import library, objects, processor
from tickets.hosts.native.objects import Build, UnavailableError

BEST = processor.usable()[0].name
PORTABLE = processor.named("portable")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and a compiler that only copies its first source, slowly enough for two to meet."""
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    compiles(monkeypatch, tmp_path, "sleep 0.2; cp $source $out")
    return tmp_path / "cache" / "native"


def compiles(monkeypatch, folder, body):
    """Put a compiler in place that is a shell script; it may use $source and $out."""
    script = folder / "compiler"
    script.write_text(f"#!/bin/sh\nfor word; do out=$word; case $word in *.cpp) source=$word;; esac; done\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(script))


def settled(setting=None, asked="auto"):
    """The kernels that a run ends up with, and what it said."""
    said = []
    with Kernels(setting or Setting(host="supernet/tiny", kernels="portable"), asked, said.append) as kernels:
        return kernels.settled().kernels, said


def test_an_object_is_compiled_once_and_found_again(cache):
    first = Build(PORTABLE)
    assert first.is_needed and first.path().parent == cache
    again = Build(PORTABLE)
    assert not again.is_needed and again.path() == first.path()
    assert sorted(path.suffix for path in cache.iterdir()) == [".sha256", ".so"]


def test_another_source_type_or_instruction_set_has_another_name(monkeypatch, tmp_path):
    names = {objects.file_name(kind, real) for kind in processor.SETS for real in objects.REALS}
    assert len(names) == 2 * len(processor.SETS)
    (tmp_path / "kernels").mkdir()
    for path in objects.SOURCES.iterdir():
        (tmp_path / "kernels" / path.name).write_bytes(path.read_bytes() + b"\n")
    monkeypatch.setattr(objects, "SOURCES", tmp_path / "kernels")
    objects.key.cache_clear()
    try:
        assert not names & {objects.file_name(kind, real) for kind in processor.SETS for real in objects.REALS}
    finally:
        objects.key.cache_clear()


def test_a_run_tells_that_it_compiles_and_then_no_more(cache):
    kernels, said = settled()
    assert kernels == "portable" and len(said) == 1 and said[0].startswith("compiling the portable kernels: once")
    assert settled() == ("portable", [])


def test_two_first_uses_at_once_do_not_disturb_each_other(cache):
    builds = [Build(PORTABLE) for _ in range(2)]
    assert all(build.is_needed for build in builds)
    with ThreadPoolExecutor() as pool:
        paths = list(pool.map(Build.path, builds))
    assert paths[0] == paths[1] and objects.is_whole(paths[0])


def test_a_run_that_ends_before_leaves_nothing_behind(cache, monkeypatch, tmp_path):
    compiles(monkeypatch, tmp_path, "sleep 60")
    with pytest.raises(UserError, match="no such data"), Kernels(Setting(kernels="portable"), "auto", print):
        raise UserError("no such data")
    assert list(cache.iterdir()) == []


def test_a_damaged_object_is_compiled_again(cache):
    path = Build(PORTABLE).path()
    path.write_bytes(path.read_bytes()[:100])
    assert not objects.is_whole(path)
    assert Build(PORTABLE).path() == path and objects.is_whole(path)


NOT_THERE = "search blocks are computed by PyTorch, about three times slower: "


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("exit 3", "the compiler failed: it ended with code 3"),
        (
            "echo; echo 'note: x'; echo 'fatal error: no such header'; exit 1",
            "the compiler failed: fatal error: no such",
        ),
        ("echo 'ld: final link failed: No space left on device'; exit 1", "No space left on device"),
        ("exit 0", "the compiler failed: it ended with code 0"),  # and has written nothing
    ],
)
def test_a_compiler_that_fails_leaves_pytorch_s_and_a_line(cache, monkeypatch, tmp_path, body, told):
    compiles(monkeypatch, tmp_path, body)
    kernels, (_, said) = settled()
    assert kernels == "torch" and said.startswith(NOT_THERE) and told in said
    assert list(cache.iterdir()) == []
    with pytest.raises(UserError, match=r"--kernels portable cannot be had: the compiler failed.*give --kernels torch"):
        settled(asked="portable")


def test_without_a_compiler_pytorch_s_are_used(monkeypatch, tmp_path):
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    kernels, (said,) = settled()
    assert kernels == "torch" and said.startswith(f"{NOT_THERE}there is no C++ compiler ($CXX, c++, g++")
    assert list(lines())[-1].startswith("--kernels auto uses PyTorch's: there is no C++ compiler")


@pytest.mark.parametrize("kind", ["a file in the way", "read-only"])
def test_a_cache_that_takes_nothing_leaves_pytorch_s(cache, kind, tmp_path):
    if kind == "read-only":
        if os.geteuid() == 0:
            pytest.skip("nothing is read-only for this user")
        cache.mkdir(parents=True)
        cache.chmod(0o500)
    else:
        cache.parent.write_text("in the way")
    kernels, (said,) = settled()
    assert kernels == "torch" and said.startswith(NOT_THERE) and "cannot be written or run" in said


def test_flags_that_the_compiler_does_not_know_are_left_out(cache, monkeypatch, tmp_path):
    """As OpenMP where it is not installed: the kernels run on one thread then."""
    compiles(monkeypatch, tmp_path, 'case "$*" in *fopenmp*) echo "error: no omp"; exit 1;; esac; cp $source $out')
    assert Build(PORTABLE).path().is_file()


def test_an_object_of_another_kind_is_refused_before_it_is_used(cache, monkeypatch, tmp_path):
    """A text, and a library that has none of the functions; under the right name."""
    with pytest.raises(UnavailableError, match=r"\.so cannot be loaded"):
        library.Library("portable", "f32")
    path = Build(PORTABLE, "f64").path()
    libc = next(Path("/").glob("lib/*/libm.so.6"), None) if sys.platform == "linux" else None
    if libc is not None:
        path.write_bytes(libc.read_bytes())
        objects._sum_of(path).write_bytes(objects._digest(path))
        with pytest.raises(UnavailableError, match=r"\.so cannot be loaded .*interface"):
            library.Library("portable", "f64")


def test_a_processor_is_held_back_as_pytorch_is(monkeypatch):
    everything = [one.name for one in processor.usable()]
    for held, left in (("avx2", {"avx2", "neon", "portable"}), ("default", {"neon", "portable"})):
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", held)
        assert [one.name for one in processor.usable()] == [name for name in everything if name in left]


def test_auto_is_the_fastest_where_it_serves_and_pytorch_s_elsewhere():
    plain = {"device": "cpu", "precision": "float32", "compiled": False}
    assert chosen("auto", plain, "supernet/tiny") == BEST and chosen("torch", plain, "supernet/tiny") == "torch"
    for changed, why in (
        ({"device": "cuda"}, "the device is cuda"),
        ({"precision": "bfloat16"}, "the precision is bfloat16"),
        ({"compiled": True}, "--compile gives them to the compiler"),
    ):
        assert chosen("auto", {**plain, **changed}, "supernet/tiny") == "torch"
        with pytest.raises(UserError, match=rf"--kernels {BEST} computes search blocks in float32 on a CPU, and {why}"):
            chosen(BEST, {**plain, **changed}, "supernet/tiny")
    assert chosen("auto", plain, "timm/resnet18") == "torch"
    with pytest.raises(UserError, match="and the host timm/resnet18 has none"):
        chosen(BEST, plain, "timm/resnet18")


def test_triton_s_are_chosen_by_name_alone_and_only_where_they_serve(monkeypatch):
    monkeypatch.setattr(triton, "is_installed", lambda: True)
    cuda = {"device": "cuda", "precision": "bfloat16", "compiled": False}
    assert chosen("triton", cuda, "supernet/tiny") == "triton" and chosen("auto", cuda, "supernet/tiny") == "torch"
    assert settled(Setting(host="supernet/tiny", kernels="triton", device="cuda"), "triton") == ("triton", [])
    require(Setting(kernels="triton", device="cuda"))
    for changed, host, why in (
        ({"device": "cpu"}, "supernet/tiny", "the device is cpu"),
        ({"compiled": True}, "supernet/tiny", "--compile gives them to the compiler"),
        ({}, "timm/resnet18", "the host timm/resnet18 has none"),
    ):
        with pytest.raises(UserError, match=f"--kernels triton is for search blocks on cuda, and {why}"):
            chosen("triton", {**cuda, **changed}, host)
    monkeypatch.setattr(triton, "is_installed", lambda: False)
    with pytest.raises(UserError, match="and Triton is not installed; leave --kernels out"):
        chosen("triton", cuda, "supernet/tiny")
    with pytest.raises(UserError, match="need Triton, which is not installed; choose torch"):
        require(Setting(kernels="triton", device="cuda"))


def test_kernels_of_another_processor_are_refused_before_anything_runs():
    other = next(one.name for one in processor.SETS if one not in processor.usable())
    with pytest.raises(
        UserError, match=rf"--kernels {other}: this processor cannot run them; give auto, torch, {BEST}"
    ):
        config(kernels=other)
    with pytest.raises(UserError, match=r"unknown kernels 'avx'. Did you mean 'avx2'"):
        config(kernels="avx")
    with pytest.raises(UserError, match=f"computed by {other} kernels, and this processor runs {BEST}"):
        require(Setting(kernels=other))


def test_why_a_supernet_runs_on_pytorch_is_said_once_and_for_others_not():
    said = settled(Setting(host="supernet/tiny", precision="bfloat16"))[1]
    assert said == ["search blocks are computed by PyTorch: the precision is bfloat16."]
    assert settled(Setting(host="timm/resnet18"))[1] == []
    assert settled(Setting(host="supernet/tiny"), asked="torch")[1] == []
