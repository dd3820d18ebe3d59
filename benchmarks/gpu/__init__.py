"""Measurements that need a GPU, for machines that are lent for minutes: ``benchmarks/gpu/run.py``."""
