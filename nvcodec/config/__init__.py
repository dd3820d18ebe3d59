"""What was asked for, as data. No torch."""
