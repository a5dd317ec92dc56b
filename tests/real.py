"""Where the real data sets lie that some tests read, which are no part of the repository, and what was published."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

RECORDS = Path(__file__).parents[1] / "results" / "records"


def root_of(name: str) -> Path:
    """The folder that holds a data set's own, as TICKETBENCH_DATA names it; without it the test is skipped."""
    root = Path(os.environ.get("TICKETBENCH_DATA", ""))
    if "TICKETBENCH_DATA" not in os.environ or not (root / name).is_dir():
        pytest.skip(f"TICKETBENCH_DATA names no folder that holds {name}/; .ci/run sets it where the archives are")
    return root


def published(task: str, version: int) -> dict[str, str]:
    """The fingerprints of a task's data in all published records of a version of it, by split; they must agree."""
    records = [json.loads(path.read_text()) for path in RECORDS.glob("*.json")]
    found = [each["fingerprints"][task] for each in records if each["versions"]["task"].get(task) == version]
    assert found and all(prints == found[0] for prints in found)
    return found[0]
