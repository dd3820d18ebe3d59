"""Comparing configurations of the codec on the same clips: ``benchmarks/ablate.py``."""
