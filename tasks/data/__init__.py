"""Samples and how they become arrays: files, decoding, the cache of arrays. Imports no torch."""
