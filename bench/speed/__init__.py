"""python -m bench.speed: step time, images/s, peak memory and latency, ratios taken while all variants take turns."""
