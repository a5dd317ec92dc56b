"""Runs the command."""

from bench import console
from bench.speed.command import app

console.main(app, "python -m bench.speed")
