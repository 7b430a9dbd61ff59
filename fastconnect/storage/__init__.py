"""What survives a restart: source offsets, configurations and statuses.

`stores.py`, `config_store.py` and `status_store.py` say what a store must do. Standalone workers have `sqlite.py` and the two
in memory. Those of a group have the `kafka_*.py`, which are built on `topic_table.py` (a topic, read and written) and `wire.py`
(the bytes), and whose topics `internal_topics.py` makes. `open_offsets.py` opens the right store of offsets.
"""
