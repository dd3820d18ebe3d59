"""The videos being encoded, in memory as code values."""
