"""Converters whose schemas are in a Schema Registry: Avro, JSON Schema and Protobuf in Confluent's wire format.

`avro.py`, `json_schema.py` and `protobuf.py` are the converters, each with the files that map schemas and values of its format.
What they share: `converter.py` (which schema a value is written and read by), `client.py` (the registry), `framing.py` (the
bytes before a payload), `subjects.py` (where a schema is registered) and `inference.py` (schemas for values that have none).

The libraries come with the extra `schema-registry`, and are imported when the first value is converted.
"""
