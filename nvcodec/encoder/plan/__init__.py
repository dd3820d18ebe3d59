"""From what was asked to what will be fitted: sizes, steps, memory. No torch."""
