"""The embedded data: drawn people, and the three tasks on them. Imports no torch."""
