"""One network, one schedule: the loop and what it consists of."""
