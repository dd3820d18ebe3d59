"""The representations: networks that turn frame indices into pictures."""
