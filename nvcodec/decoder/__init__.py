"""Bytes to frames. Knows nothing of training."""
