"""Heads that draw small pictures from what a fitted network has on the way to whole ones."""
