"""What one network draws, from its choice to its chunks."""
