"""What is asked over HTTP: Kafka Connect's REST API over herder.py; `routes.py` shows all of it on one screen."""
