"""Numbers for people and for comparisons: statistics, amounts, aligned text."""
