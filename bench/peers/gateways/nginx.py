"""nginx as a gateway for the job."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.peers.gateways import Gateway
from bench.peers.job import Job
from bench.peers.nginx_process import start_nginx
from bench.peers.packages import first_line
from bench.peers.process import Server, free_port

# least_conn is its load-aware choice; `random two least_conn` decides the same between two instances and costs more.
# A `zone` only where several workers have the state of the instances to share.
# A large request body is streamed (proxy_request_buffering off), and no response touches the disk. Buffers of 64k take
# a quarter off 1 MB against 16k, larger ones give it back; small responses fit into proxy_buffer_size and need none.
# What stands in a server is inherited by its locations, which are found by a tree of their prefixes.
_HTTP = """\
{log}
    upstream service {{
        {zone}least_conn;
{instances}
        keepalive {keepalive};
        keepalive_requests 1000000000;
    }}
    limit_req_zone $binary_remote_addr zone=clients:{limit_zone} rate={rate}r/m;
    limit_req_status 429;
    server {{
        listen 127.0.0.1:{port} default_server backlog=4096 reuseport;
        return 404;
    }}
    server {{
        listen 127.0.0.1:{port};
        server_name {host};
        {proxies}limit_req zone=clients burst={burst} nodelay;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_request_buffering off;
        client_body_buffer_size 64k;
        client_max_body_size 0;
        proxy_buffer_size 8k;
        proxy_buffers 8 64k;
        proxy_busy_buffers_size 128k;
        proxy_max_temp_file_size 0;
        proxy_connect_timeout 2s;
        proxy_next_upstream error timeout;
        proxy_next_upstream_tries 3;
{locations}
        location / {{ return 404; }}
    }}"""

_BEHIND_PROXY = "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;\n        "

_LOG = """\
    log_format json escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
        '"host":"$host","path":"$uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,'
        '"first_byte":"$upstream_header_time","instance":"$upstream_addr","request_id":"$request_id"}}';
    access_log {path} json buffer=64k flush=1s;"""


class Nginx(Gateway):
    """One master and its workers."""

    name = "nginx"
    programs = ("nginx",)
    speaks_http = True
    remark = (
        "no active health checks in the free edition; sends no Via; "
        "what its table of connections takes is allocated at the start, whether there are clients or not"
    )

    def version(self, programs: Mapping[str, str], /) -> str:
        """As ``nginx -v`` says."""
        return first_line([programs["nginx"], "-v"]).removeprefix("nginx version: ")

    def start(
        self, job: Job, programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Writes the configuration and starts it."""
        port = free_port()
        http = _HTTP.format(
            log=_LOG.format(path=folder / "access.log") if job.setup.access_log else "    access_log off;",
            zone="zone service 256k;\n        " if job.setup.workers > 1 else "",
            instances="\n".join(
                f"        server {host}:{at} max_fails=3 fail_timeout=10s;" for host, at in job.instances
            ),
            keepalive=job.idle_connections * len(job.instances),
            limit_zone="256m" if job.setup.clients > 1 else "10m",
            proxies=_BEHIND_PROXY if job.workload.behind_proxy else "",
            rate=job.limit.per_minute,
            burst=job.limit.burst,
            port=port,
            host=job.workload.host,
            locations="\n".join(
                f"        location {prefix}/ {{ proxy_pass http://service; }}" for prefix in job.prefixes
            ),
        )
        return start_nginx(
            programs["nginx"],
            http,
            port=port,
            folder=folder / self.name,
            cores=cores,
            workers=job.setup.workers,
        )
