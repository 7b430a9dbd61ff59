"""The converters that come with fastconnect; one format a file. Their Java class names are in pyproject.toml's entry points."""
