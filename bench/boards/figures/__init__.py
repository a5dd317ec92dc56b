"""Boards as figures, each alone as SVG or PDF: what may be drawn of them, and how. Pure."""
