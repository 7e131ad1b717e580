"""The origin: nginx answering fixed responses from memory on two ports, which are the two instances of the service."""

from dataclasses import dataclass
from pathlib import Path

from bench.peers.job import CHECK_PATH, HEALTH_PATH, Workload
from bench.peers.nginx_process import start_nginx
from bench.peers.process import Server, free_port

_INSTANCES = 2

_SERVER = """\
    server {{
{listen}
        default_type text/plain;
        location = {health} {{ return 204; }}
        location = {check} {{ return 200 "{echo}"; }}
        location / {{ return 200 "{body}"; }}
    }}"""

_ECHOED = {
    "port": "$server_port",
    "requests-on-connection": "$connection_requests",
    "host": "$http_host",
    "connection": "$http_connection",
    "x-forwarded-for": "$http_x_forwarded_for",
    "x-forwarded-proto": "$http_x_forwarded_proto",
    "x-forwarded-host": "$http_x_forwarded_host",
}
"""What the check path answers, one ``name=value`` a line."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The running origin and the addresses of its instances."""

    server: Server
    instances: tuple[tuple[str, int], ...]


def start_origin(nginx: str, workload: Workload, *, folder: Path, core: int) -> Origin:
    """Starts the origin for a workload; the caller stops its server."""
    ports = [free_port() for _ in range(_INSTANCES)]
    http = _SERVER.format(
        listen="\n".join(f"        listen 127.0.0.1:{port} backlog=1024;" for port in ports),
        health=HEALTH_PATH,
        check=CHECK_PATH,
        echo="".join(f"{name}={variable}\\n" for name, variable in _ECHOED.items()),
        body="x" * workload.response_bytes,
    )
    server = start_nginx(nginx, http, port=ports[-1], folder=folder / "origin", core=core)
    return Origin(server, tuple(("127.0.0.1", port) for port in ports))
