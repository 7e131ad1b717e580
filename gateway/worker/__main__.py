"""Starts a worker: ``python -m gateway.worker START``, where START is the JSON that the supervisor wrote."""

import sys

from gateway.worker.main import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))
