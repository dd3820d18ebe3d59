"""Kernels of our own for drawing on a GPU."""
