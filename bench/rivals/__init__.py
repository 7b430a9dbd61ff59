"""The rivals, one program a file."""
