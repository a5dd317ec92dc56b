"""Runs the command."""

from bench.command import console
from bench.speed.command import app

console.main(app, "python -m bench.speed")
