"""Records in rows: what may be compared, ranked and rendered in every format."""
