"""Metrics of the kinds of task: additive state; batches, shards and their order do not matter."""
