"""Data sets, one a file: where the samples are and how one is decoded. Imports no torch."""
