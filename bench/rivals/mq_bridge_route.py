"""mq-bridge (Rust, from PyPI) as a file -> Kafka route that ends with the file. Runs in an environment of its own.

python mq_bridge_route.py ROUTE_JSON
"""

from __future__ import annotations

import logging
import sys

from mq_bridge import Route, init_logging  # type: ignore[import-not-found,unused-ignore]

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    init_logging()
    route = Route.from_file(sys.argv[1])
    route.start()
    route.join()
