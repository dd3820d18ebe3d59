"""Measurements that take longer than a test may; not installed with the codec."""
