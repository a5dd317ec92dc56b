"""What every task promises, as checks: `python -m bench.check task` prints them, the contract tests run them."""

from tasks.contract import data, leaks, learning, loading, scoring  # each adds its checks, in this order
from tasks.contract.promise import CHECKS, Broken, Skipped, Verdict, verdict, verdicts
from tasks.contract.subject import Subject

__all__ = ["CHECKS", "Broken", "Skipped", "Subject", "Verdict", "data", "leaks", "learning", "loading", "scoring",
           "verdict", "verdicts"]  # fmt: skip
