"""Stopping and going on: what is kept of an encode on disk."""
