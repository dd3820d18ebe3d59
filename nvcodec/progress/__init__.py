"""How far a call is, on standard error: for commands, and for functions of Python that are asked to show it."""
