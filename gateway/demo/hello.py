"""Sample service ``hello``: a Flask application on waitress. ``python -m gateway.demo.hello --name hello-1``."""

import os

from flask import Flask
from waitress import create_server  # type: ignore[import-untyped]

from gateway.demo.arguments import announce, parse_arguments

THREADS = 16
MAX_CONNECTIONS = 1000
"""Every worker of a gateway keeps connections; waitress' default of 100 is soon used up."""


def application(name: str) -> Flask:
    """Greets on every path, and says which instance it is."""
    app = Flask(__name__)

    @app.get("/healthz")
    def health() -> str:
        return "ok\n"

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def hello(path: str) -> str:
        return f"Hello from {name} (pid {os.getpid()}), you asked for /{path}\n"

    return app


def main() -> None:
    """Serves until the process is ended."""
    arguments = parse_arguments("python -m gateway.demo.hello")
    server = create_server(
        application(arguments.name),
        host="127.0.0.1",
        port=arguments.port,
        threads=THREADS,
        ident=arguments.name,
    )
    announce(server.effective_port)
    server.run()


if __name__ == "__main__":
    main()
