"""The runner and the leaderboards: draw tickets, transfer them, leave records, render tables."""

import os
import sys
from importlib.util import find_spec

__version__ = "0.1.0"


def _hidden() -> str | None:
    """What hides the packages beside this one, as a sentence; None where `tasks` and `tickets` are ours."""
    here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in ("tasks", "tickets"):
        found = find_spec(name)
        file = os.path.realpath(found.origin) if found is not None and found.origin else None
        if file is not None and os.path.dirname(file) != os.path.join(here, name):
            return (
                f"{file} hides ticketbench's package {name}; type ticketbench COMMAND in place of python -m "
                "bench.COMMAND, or python -P -m bench.COMMAND, or rename that file."
            )
    return None


if _sentence := _hidden():
    if sys.argv[:1] != ["-m"]:
        raise ImportError(_sentence)
    print(f"error: {_sentence}", file=sys.stderr)  # python -m bench.COMMAND, which has not come to the command yet
    sys.exit(2)
