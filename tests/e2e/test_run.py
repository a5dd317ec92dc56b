"""The real command: draws, transfers, records and tables; the same bits again; mistakes that write nothing."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from bench.records import record

ROOT = Path(__file__).parents[2]
SHORT = ("--budget", "0.01", "--scale", "tiny", "--set", "size=32x32")


def bench(
    *args: object, module: str = "bench.run", cwd: Path = ROOT, largest: int | None = None
) -> subprocess.CompletedProcess:
    """Run a command as a user would; on a disk that takes no file of more than `largest` bytes."""
    command = [sys.executable, "-m", module, *map(str, args)]
    limits = (largest or resource.RLIM_INFINITY,) * 2
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home after a short run of cls -> seg with every control."""
    home = tmp_path_factory.mktemp("run") / "home"
    done = bench("--source", "cls", "--target", "seg", "--control", "dense,random,native", "--home", home, *SHORT)
    assert done.returncode == 0, done.stderr
    assert "records:" in done.stdout and "mIoU" in done.stdout and "before last prune" in done.stdout
    return home


def test_records_tell_everything(home):
    records = {(r.kind, r.job.control): r for r in record.read_all(home / "records")}
    assert set(records) == {
        ("draw", None), ("transfer", None), ("control", "dense"), ("control", "random"), ("control", "native"),
    } or len(records) == 5  # fmt: skip
    draw, transfer = records["draw", None], records["transfer", None]
    assert {draw.job.source, draw.job.target} <= {"cls/figures", "seg/figures", None}
    assert draw.scores.val_before_last_prune is not None and draw.scores.val_after_last_prune is not None
    assert transfer.scores.primary == "miou" and 0 < transfer.scores.score < 1
    assert transfer.costs.drawing_macs > 0 and transfer.ticket.hash
    assert abs(transfer.ticket.sparsity - 0.9) < 1e-4 and transfer.deployed.sparsity < 0.9
    assert transfer.counts["test"] == 1024 and sum(transfer.counts.values()) == 4096 + 1024
    dense = records["control", "dense"]
    assert dense.job.source is None and dense.ticket.sparsity == 0 and dense.costs.drawing_macs == 0
    assert records["control", "random"].ticket.parameters == transfer.ticket.parameters
    for found in records.values():
        assert found.status == "ok" and len(found.to_json()) < 4200
    assert not list((home / "checkpoints").glob("*")) if (home / "checkpoints").exists() else True


def test_again_computes_nothing(home):
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.is_file()}
    again = bench("--source", "cls", "--target", "seg", "--home", home, *SHORT)
    assert again.returncode == 0 and again.stderr.count("skipped") == 3 and "done" not in again.stderr
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*") if p.is_file()} == before


def test_other_workers_and_jobs_give_the_same_bits(home, tmp_path):
    args = ("--source", "cls", "--target", "seg", "--control", "none", "--home", tmp_path / "other", *SHORT)
    done = bench(*args, "--jobs", 1, "--workers", 2)
    assert done.returncode == 0, done.stderr
    for other in record.read_all(tmp_path / "other" / "records"):
        one = record.read(home / "records" / f"{other.id}.json")
        assert one.scores == other.scores and one.ticket == other.ticket
        assert one.costs.training_macs == other.costs.training_macs


def test_a_damaged_ticket_and_a_lost_one_are_drawn_again(home, tmp_path):
    """The run names the file and why; its transfers wait for the new one, whose scores are those of the old."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    file = next(copy.glob("tickets/draw_cls*.safetensors"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    for path in copy.glob("records/transfer*.json"):
        path.unlink()
    mended = bench("--source", "cls", "--target", "seg", "--home", copy, *SHORT)
    assert mended.returncode == 0 and file.name in mended.stderr + mended.stdout, mended.stderr
    assert mended.stderr.count("done") == 2
    file.unlink()
    for path in copy.glob("records/transfer*.json"):
        path.unlink()
    again = bench("--source", "cls", "--target", "seg", "--home", copy, *SHORT)
    assert again.returncode == 0 and again.stderr.count("done") == 2
    for again in record.read_all(copy / "records"):
        assert again.scores == record.read(home / "records" / f"{again.id}.json").scores


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(home, tmp_path):
    job = ("--source", "none", "--target", "cls", "--home", tmp_path / "full", *SHORT)
    full = bench(*job, largest=1000)
    assert full.returncode == 2 and full.stderr.splitlines()[-1].startswith("error: cannot write ")
    assert "the same command goes on" in full.stderr and "Traceback" not in full.stderr
    assert not [path for path in (tmp_path / "full").rglob("*") if path.suffix in (".json", ".tmp", ".pt")]
    done = bench(*job)
    assert done.returncode == 0 and len(record.read_all(tmp_path / "full" / "records")) == 1


def test_table_of_the_run(home):
    done = bench(home / "records", module="bench.table")
    assert done.returncode == 0 and "| supertickets" in done.stdout and "segmentation" not in done.stderr
    csv = bench(home / "records", "--format", "csv", module="bench.table")
    score = next(r for r in record.read_all(home / "records") if r.kind == "transfer").scores.score
    assert repr(score) in csv.stdout


def test_dry_run_computes_nothing(tmp_path):
    done = bench("--source", "cls,seg", "--target", "pose", "--dry-run", "--home", tmp_path / "none")
    assert done.returncode == 0 and "5 jobs" in done.stdout and "training MACs" in done.stdout
    assert not (tmp_path / "none").exists()


def test_help_and_list_import_no_torch(tmp_path):
    probe = (
        "import sys, runpy; sys.argv = ['bench.run', {flag!r}]\n"
        "try: runpy.run_module('bench.run', run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    for flag in ("--help", "--list"):
        done = subprocess.run([sys.executable, "-c", probe.format(flag=flag)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert ("--sparsity" in done.stdout) if flag == "--help" else ("supertickets" in done.stdout)


BAD = {
    "task": ["--source", "clss"],
    "drawer": ["--drawer", "impp"],
    "recipe": ["--recipe", "finetun"],
    "scale": ["--scale", "tny"],
    "sparsity 1": ["--sparsity", "1.0"],
    "sparsity negative": ["--sparsity=-0.1"],
    "sparsity nan": ["--sparsity", "nan"],
    "sparsity text": ["--sparsity", "abc"],
    "seed": ["--seed", "one"],
    "device": ["--device", "cuda:77"],
    "root missing": ["--data-root", "no/such/folder"],
    "root lacks the set": ["--source", "cls/cifar10", "--data-root", "."],
    "no root": ["--target", "seg/camvid"],
    "budget text": ["--budget", "much"],
    "unknown flag": ["--sorce", "cls"],
    "kept head": ["--head", "keep"],
    "no batches for a scorer": ["--drawer", "stp/snip@batches=0"],
    "rewind beyond the training": ["--drawer", "imp@rewind=2"],
    "no such host": ["--host", "timm/resnet81"],
    "a search on a timm host": ["--host", "timm/resnet18"],
}


@pytest.mark.parametrize("args", BAD.values(), ids=BAD)
def test_mistakes_exit_with_2_one_sentence_and_nothing_written(args, tmp_path, monkeypatch):
    monkeypatch.delenv("TICKETBENCH_DATA", raising=False)
    done = bench("--home", tmp_path / "home", *args)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not done.stdout and not (tmp_path / "home").exists()


def broken_set(kind: str, root: Path) -> list[str]:
    """A data set with one defect, and the flags that meet it."""
    if kind == "joints.mat without joints":
        (root / "lspet" / "images").mkdir(parents=True)
        scipy.io.savemat(root / "lspet" / "joints.mat", {"other": np.zeros((14, 3, 3))})
        for number in (1, 2, 3):
            Image.new("RGB", (60, 60)).save(root / "lspet" / "images" / f"im0000{number}.jpg")
        (root / "lspet" / "train.txt").write_text("im00001.jpg\nim00002.jpg\n")
        (root / "lspet" / "val.txt").write_text("im00003.jpg\n")
        return ["--source", "pose/lsp", "--data-root", str(root)]
    if kind == "label out of range":
        for split in ("train", "val", "test"):
            names = []
            for number in range(3):
                for folder in (split, f"{split}annot"):
                    (root / "camvid" / folder).mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (40, 30)).save(root / "camvid" / split / f"{number}.jpg")
                Image.new("L", (40, 30), 77).save(root / "camvid" / f"{split}annot" / f"{number}.png")
                names.append(f"{split}/{number}.jpg {split}annot/{number}.png")
            (root / "camvid" / f"{split}.txt").write_text("\n".join(names))
        return ["--target", "seg/camvid", "--data-root", str(root)]
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (32, 32)).save(root / split / name / f"{number}.png")
    (root / "train" / "dog" / "1.png").write_text("not an image")
    return ["--source", "cls/folder", "--data-root", str(root)]


@pytest.mark.parametrize(
    ("kind", "named"),
    [("no image", "1.png"), ("label out of range", "77"), ("joints.mat without joints", "joints.mat")],
)
def test_broken_data_exit_with_2_and_nothing_is_written(kind, named, tmp_path):
    flags = broken_set(kind, tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    cache = {**os.environ, "TICKETBENCH_CACHE": str(tmp_path / "cache")}
    few = ("--control", "none", "--kernels", "torch")
    command = [sys.executable, "-m", "bench.run", *flags, *few, "--home", tmp_path / "home"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=cache)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("prepared")]
    assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert named in lines[0]
    assert [p for p in sorted(tmp_path.rglob("*")) if tmp_path / "cache" not in (p, *p.parents)] == before


def test_console_script_works_beside_a_users_tasks_py(tmp_path):
    """The installed script does not put the current folder on the path."""
    script = Path(sys.executable).with_name("ticketbench")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    (tmp_path / "tasks.py").write_text("raise SystemExit('the wrong tasks')\n")
    done = subprocess.run([script, "run", "--list"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "seg/camvid" in done.stdout


def test_records_are_plain_json(home):
    for path in (home / "records").glob("*.json"):
        assert json.loads(path.read_text())["schema"] == 3


def test_a_ticket_is_trained_twice_and_the_line_between_is_drawn(home, tmp_path):
    (file,) = (home / "records").glob("transfer_*seg*.json")
    done = bench(file, "--points", "3", "--out", tmp_path / "line.svg", module="bench.connect")
    assert done.returncode == 0, done.stderr
    assert "barrier: " in done.stdout and "note:" not in done.stdout and (tmp_path / "line.svg").exists()


def test_two_runs_of_one_home_do_each_job_once(tmp_path):
    """Started at the same moment; each has all records in the end, and none was computed twice."""
    args = ("--source", "cls,seg", "--target", "seg", "--home", tmp_path / "home", "--jobs", "1", *SHORT)
    command = [sys.executable, "-m", "bench.run", *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in "ab"]
    said = [run.communicate(timeout=300) for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    records = {r.id: r.created for r in record.read_all(tmp_path / "home" / "records")}
    assert len(records) == 5 and not list((tmp_path / "home" / "checkpoints").glob("*"))
    done = [line for _, err in said for line in err.splitlines() if line.startswith("done ")]
    assert len(done) == 10 and len(set(done)) == 5
