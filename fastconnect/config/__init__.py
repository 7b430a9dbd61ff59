"""Is it valid: config files, and the configurations of workers, connectors and Kafka clients."""
