"""The scenarios, one a file: each has a SCENARIO."""
