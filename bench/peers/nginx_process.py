"""How a run starts nginx, as gateway and as origin: in the foreground, from one file, with all its paths in one folder."""

import os
from collections.abc import Iterable
from pathlib import Path

from bench.peers.process import Server, start_listening

_MAIN = """\
daemon off;
{user}worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{
    worker_connections 16384;
    multi_accept on;
}}
http {{
    log_not_found off;
    server_tokens off;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""


def start_nginx(
    nginx: str, http: str, *, port: int, folder: Path, cores: Iterable[int], workers: int = 1
) -> Server:
    """Starts nginx with the given text inside its ``http`` block; waits until it listens."""
    folder.mkdir(mode=0o755)
    # Started by root, nginx changes to an account that may not enter our folder, unless it is told not to.
    user = "user root;\n" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(_MAIN.format(user=user, workers=workers, folder=folder, http=http))
    return start_listening(
        [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)],
        cores=cores,
        port=port,
        log=folder / f"{folder.name}.log",
    )
