"""The transforms of Kafka Connect, and two of our own (`expression.py`, `py_transform.py`); one a file."""
