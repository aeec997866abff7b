"""What benchmarks/rivals_aggregation.py compares."""
