"""The origin: nginx answering fixed responses on as many loopback addresses as the service has instances."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.peers.job import CHECK_PATH, HEALTH_PATH, Workload
from bench.peers.nginx_process import start_nginx
from bench.peers.process import Server, free_port

_HOSTS_PER_SUBNET = 250
_IN_CONFIGURATION_BYTES = 2048
"""Up to here a response is a text in the configuration; nginx takes no words beyond 4 KiB, so longer ones are files."""

_SERVER = """\
    access_log off;
    sendfile on;
    open_file_cache max=16;
    open_file_cache_valid 1h;
    client_body_buffer_size 256k;
    client_max_body_size 0;
    server {{
{listen}
        default_type text/plain;
        location = {health} {{ return 204; }}
        location = {check} {{ return 200 "{echo}"; }}
{answer}
    }}"""

_FROM_MEMORY = """\
        location / {{ return 200 "{body}"; }}"""

# Served from the page cache.
_FROM_FILE = """\
        location / {{ root {folder}; try_files /response =404; }}"""

# `return` would answer before the body has arrived, so that the gateway would have to give its connection up. A mirror
# request to nowhere makes nginx read the whole body first; then a file is asked for, which POST must not do, and the
# error becomes the answer: how many bytes the whole request had, padded to the length of every response.
_AFTER_BODY = """\
        location / {{ mirror /nowhere; error_page 405 404 =200 @received; }}
        location = /nowhere {{ internal; return 204; }}
        location @received {{ return 200 "{received}"; }}"""

RECEIVED = "received "
"""Begins the answer to an upload; a number of bytes follows, and then a blank."""

_ECHOED = {
    "instance": "$server_addr:$server_port",
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


def loopback_addresses(number: int) -> tuple[str, ...]:
    """So many addresses of this machine, 127.0.0.1 first."""
    return tuple(f"127.0.{at // _HOSTS_PER_SUBNET}.{at % _HOSTS_PER_SUBNET + 1}" for at in range(number))


def start_origin(
    nginx: str, workload: Workload, instances: int, *, folder: Path, cores: Iterable[int]
) -> Origin:
    """Starts the origin for a workload; the caller stops its server."""
    port = free_port()
    hosts = loopback_addresses(instances)
    http = _SERVER.format(
        listen="\n".join(f"        listen {host}:{port} backlog=1024;" for host in hosts),
        health=HEALTH_PATH,
        check=CHECK_PATH,
        echo="".join(f"{name}={variable}\\n" for name, variable in _ECHOED.items()),
        answer=_answer(workload, folder),
    )
    server = start_nginx(nginx, http, port=port, folder=folder / f"origin-{instances}", cores=cores)
    return Origin(server, tuple((host, port) for host in hosts))


def _answer(workload: Workload, folder: Path) -> str:
    if workload.request_bytes:
        digits = len(str(workload.request_bytes))
        padding = "x" * (workload.response_bytes - len(RECEIVED) - digits - 1)
        return _AFTER_BODY.format(received=f"{RECEIVED}$request_length {padding}")
    if workload.response_bytes <= _IN_CONFIGURATION_BYTES:
        return _FROM_MEMORY.format(body="x" * workload.response_bytes)
    (folder / "response").write_text("x" * workload.response_bytes)
    return _FROM_FILE.format(folder=folder)
