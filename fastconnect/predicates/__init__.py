"""The predicates of Kafka Connect: for which records a transform is applied; one a file."""
