"""The promises of task adapters."""

from __future__ import annotations

from tasks.contract.subject import Subject
from tickets.contract.promise import Broken, Contract, Doubted, Skipped, Verdict, require
from tickets.errors import UserError

__all__ = ["CHECKS", "Broken", "Doubted", "Skipped", "Verdict", "promise", "require", "verdict", "verdicts"]

CONTRACT: Contract[Subject] = Contract(through=(UserError,))
"""Data that are missing or damaged say nothing of the adapter; that error goes on to the user."""

CHECKS, promise, verdict, verdicts = CONTRACT.checks, CONTRACT.promise, CONTRACT.verdict, CONTRACT.verdicts
