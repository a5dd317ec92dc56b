"""`PYTHONPATH=.:tests python tests/fuzz READER MINUTES`: damage files, and tell a reader's faults."""

from __future__ import annotations

import faulthandler
import resource
import sys
import time
import traceback
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from readers import READERS, Reader

MEMORY = 2**30
HANG_S = 75
"""The reader of MATLAB files has a minute of its own."""
ROUND = 500


def peak_mib() -> float:
    """The most memory of this process and of each that it has started, in MiB."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def spent(reader: Reader, until: float) -> dict[str, Any]:
    """Read damaged files until a time, a shrunk example for each kind of fault that was met."""
    tried, taken, faults, number = 0, 0, {}, 0
    while time.monotonic() < until:
        number += 1

        @seed(number)
        @settings(max_examples=ROUND, database=None, deadline=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(reader.inputs)
        def once(contents: dict[str, bytes]) -> None:
            nonlocal tried, taken
            if time.monotonic() > until:
                return
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            tried += 1
            try:
                taken += reader.meets(contents)
            except Exception as error:
                at = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} at {at.filename.rpartition('/')[2]}:{at.lineno}"
                if kind not in faults:
                    faults[kind] = str(error)[:200]
                    print(f"fault: {kind}: {faults[kind]!r}\n{contents!r:.600}", flush=True)
                    traceback.print_exc()
            faulthandler.cancel_dump_traceback_later()

        once()
    return {"tried": tried, "taken": taken, "faults": sorted(faults)}


def main(name: str, minutes: str) -> int:
    """Fuzz one reader; 1 where it had a fault or took more than 1 GiB beyond what it began with."""
    reader = READERS[name]()
    before = peak_mib()
    found = spent(reader, time.monotonic() + 60 * float(minutes))
    print(f"{name}: {found}, memory {before:.0f} -> {peak_mib():.0f} MiB, {minutes} minutes", flush=True)
    return int(bool(found["faults"]) or peak_mib() > MEMORY / 2**20)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
