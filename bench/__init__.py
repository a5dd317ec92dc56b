"""The runner and the leaderboards: draw tickets, transfer them, leave records, render tables."""

__version__ = "0.1.0"
