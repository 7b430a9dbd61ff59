"""What is asked at the shell: `main.py`, then one file a subcommand."""
