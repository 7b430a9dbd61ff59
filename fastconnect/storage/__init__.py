"""What survives a restart: the source offsets of connectors."""
