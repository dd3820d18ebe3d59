"""Integers to bytes and back: one range coder, integer entropy models, the payload of a segment."""
