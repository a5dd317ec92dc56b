"""The training loop, what it counts, and what rides on it."""
