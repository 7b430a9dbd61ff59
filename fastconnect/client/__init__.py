"""Asks a Kafka Connect cluster over its REST API: ours, or one in Java."""
