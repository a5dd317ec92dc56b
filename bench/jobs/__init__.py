"""Doing what is asked for: a grid of jobs in worker processes, and its price beforehand."""
