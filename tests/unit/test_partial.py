"""Caches that cannot be finished: one sentence, nothing half stays, what killed processes left is found."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.data import decoding
from tasks.data.decoding import Job
from tasks.data.partial import abandoned, is_written, partial
from tasks.data.samples import Sample
from tickets.errors import CannotWriteError, UserError

ROOT = Path(__file__).parents[2]
WRITES = """
import sys, time
from pathlib import Path
from tasks.data.partial import partial
with partial(Path(sys.argv[1])) as place:
    print(place, flush=True)
    time.sleep(60)
"""


def read(sample, size):
    """An image of one level; the sample may say what happens meanwhile."""
    if callable(sample.extra):
        sample.extra()
    return {"image": np.full((*size, 3), 7, np.uint8)}


def job(happens=None, count=4):
    """So many samples; something happens at the last one."""
    return Job([Sample(str(i), (), happens if i == count - 1 else 0) for i in range(count)], read, (4, 4))


def old(place):
    """Made long ago."""
    os.utime(place, (1, 1))


def test_what_a_killed_process_left_is_known_and_removed_by_the_next(tmp_path):
    command = [sys.executable, "-c", WRITES, str(tmp_path / "train")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        place = Path(process.stdout.readline().strip())
        old(place)
        assert is_written(place) and not abandoned(tmp_path)
        process.kill()
    assert place.exists() and abandoned(tmp_path) == [place]
    (tmp_path / ".mine").mkdir()
    decoding.build(tmp_path / "test", job())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine", "test"]


def test_a_fresh_folder_may_be_about_to_be_locked(tmp_path):
    place = tmp_path / ".train-0123abcd"
    place.mkdir()
    assert is_written(place)
    old(place)
    assert not is_written(place)


def test_a_cache_that_is_removed_while_it_is_written_is_one_sentence(tmp_path):
    def removed():
        (place,) = (tmp_path / "cache").glob(".train-*")
        shutil.rmtree(place)

    told = r"^the cache folder .*cache cannot be written \(No such file or directory\); make room, let nobody remove"
    with pytest.raises(CannotWriteError, match=told):
        decoding.build(tmp_path / "cache" / "train", job(removed))
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be taken beforehand here")
def test_a_full_disk_is_seen_before_anything_is_decoded(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    seen = []
    with pytest.raises(CannotWriteError, match=r"cannot be written \(No space left on device\); make room"):
        decoding.build(tmp_path / "cache" / "train", job(lambda: seen.append(1)))
    assert not seen and not list((tmp_path / "cache").iterdir())


def test_whoever_is_slower_takes_the_folder_that_is_there(tmp_path):
    with partial(tmp_path / "train") as place:
        (place / "meta.json").write_text("1")
        decoding.build(tmp_path / "train", job())
    assert (tmp_path / "train" / "image.npy").exists() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (-signal.SIGBUS, CannotWriteError, r"at samples 32 to 63 found its arrays cut \(SIGBUS\)"),
        (-signal.SIGKILL, UserError, "at samples 32 to 63 was ended by SIGKILL, as a system does that is short of mem"),
        (3, RuntimeError, "at samples 32 to 63 ended with code 3$"),
    ],
)
def test_what_is_known_of_a_decoding_process_that_died_is_said(code, kind, told):
    with pytest.raises(kind, match=told):
        raise decoding._ended(code, range(32, 64))
