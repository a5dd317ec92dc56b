"""The kinds of task: what a batch holds, head, loss, metric and pictures of each. Imports no torch."""
