"""The frame of every command: errors, flags, progress, curves."""
