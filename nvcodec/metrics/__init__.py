"""What quality means. All numbers that nvc prints are defined here, on decoded integers."""
