"""Which weights go, how many in each layer, and when."""
