"""What should run, and where: `herder.py` has the questions, `standalone.py` answers them for one machine."""
