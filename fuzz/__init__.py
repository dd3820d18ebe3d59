"""A campaign of hostile inputs against everything that reads: ``make fuzz``, and ``docs/reliability.md`` about it."""
