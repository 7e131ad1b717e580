"""Headgate itself for the job, started as its users start it."""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bench.build import installed_version
from bench.peers.gateways import Gateway
from bench.peers.job import HEALTH_PATH, Job
from bench.peers.process import Server, ServerError

_READY_SECONDS = 30.0

_DEFAULT_KEYS = 1_000_000

# Metrics are always on.
_CONFIGURATION = """\
[gateway]
workers = {workers}
admin = "127.0.0.1:0"
{proxies}max_limit_keys = {keys}

[log]
level = "warning"
access = "{access}"

[[listen]]
address = "127.0.0.1:0"

[services.api]
instances = [{instances}]
balance = "p2c"
max_idle = {idle}
health = {{ path = "{health}", interval = "{interval}s" }}
"""

_BEHIND_PROXY = 'trusted_proxies = ["127.0.0.1"]\n'

_ROUTE = """
[[routes]]
host = "{host}"
path = "{prefix}/*"
service = "api"
limit = {{ rate = "{rate}/m", burst = {burst}, key = "client_ip" }}
retry = {{ attempts = 2 }}
"""


class Headgate(Gateway):
    """One supervisor and its workers."""

    name = "headgate"
    programs = ()
    speaks_http = True
    remark = ""

    def version(self, _programs: Mapping[str, str], /) -> str:
        """The version of the installed package."""
        return f"headgate/{installed_version()}"

    def start(
        self, job: Job, _programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Writes the configuration, starts the command and waits for its ready line."""
        configuration = folder / "headgate.toml"
        configuration.write_text(_configuration(job, folder))
        server = Server(
            [sys.executable, "-m", "gateway", "run", str(configuration)],
            cores=cores,
            port=0,
            log=folder / "headgate.log",
            stdout=subprocess.PIPE,
        )
        try:
            server.port = _port_from_ready_line(server)
        except BaseException:
            server.stop()
            raise
        return server


def parse_ready_line(line: bytes) -> int:
    """The port of the first listener, as the ready line names it. Raises ValueError for anything else."""
    try:
        ready: object = json.loads(line)["listen"][0]
        port = urlsplit(str(ready)).port
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"this is no ready line: {line!r}") from error
    if port is None:
        raise ValueError(f"the ready line names no port: {line!r}")
    return port


def _configuration(job: Job, folder: Path) -> str:
    settings = _CONFIGURATION.format(
        workers=job.setup.workers,
        proxies=_BEHIND_PROXY if job.workload.behind_proxy else "",
        keys=max(_DEFAULT_KEYS, job.setup.clients + 1),  # the harness itself is a client, too
        access=folder / "access.log" if job.setup.access_log else "off",
        instances=", ".join(f'"{host}:{at}"' for host, at in job.instances),
        idle=job.idle_connections,
        health=HEALTH_PATH,
        interval=job.health_interval_seconds,
    )
    rate, burst = job.limit.per_minute, job.limit.burst
    routes = (
        _ROUTE.format(host=job.workload.host, prefix=prefix, rate=rate, burst=burst)
        for prefix in job.prefixes
    )
    return settings + "".join(routes)


def _port_from_ready_line(server: Server) -> int:
    deadline = time.monotonic() + _READY_SECONDS
    while not select.select([server.stdout], [], [], 0.1)[0]:
        server.require_alive()
        if time.monotonic() > deadline:
            raise ServerError(f"headgate printed no ready line within {_READY_SECONDS:.0f} s")
    line = server.stdout.readline()
    try:
        return parse_ready_line(line)
    except ValueError as error:
        server.require_alive()  # says why it ended instead, with its log
        raise ServerError(str(error)) from error
