"""A built wheel brings compiled kernels, which are used where there is no compiler."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def test_a_wheel_brings_kernels_for_a_machine_without_a_compiler(tmp_path):
    pytest.importorskip("setuptools", minversion="77", reason="wheels are built with a newer setuptools")
    source = tmp_path / "source"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    words = ["wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert "-py3-none-" in wheel.name and not wheel.name.endswith("-any.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    nothing = {
        "PATH": str(tmp_path),
        "TICKETBENCH_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(tmp_path / "site"),
    }
    told = subprocess.run(
        [sys.executable, "-c", "from bench.request.kernels import chosen; from tickets.hosts.native import library; "
         "print(library.load(chosen('auto', {}, 'supernet/tiny'), 'f32').register_bytes)"],
        cwd=tmp_path, env=nothing, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0 and int(told.stdout) in (16, 32, 64), told.stderr
