"""Boards in files and on screens, a format a file."""
