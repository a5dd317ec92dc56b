"""A ticket in somebody's hands: compacted, exported, looked at."""
