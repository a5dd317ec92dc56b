"""Keeping house: what homes and caches hold, and which of it somebody needs."""
