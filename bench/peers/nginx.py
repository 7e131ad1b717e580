"""nginx as a gateway for the job."""

from collections.abc import Mapping
from pathlib import Path

from bench.peers.job import Job
from bench.peers.nginx_process import start_nginx
from bench.peers.packages import first_line
from bench.peers.process import Server, free_port

# least_conn is its load-aware choice; `random two least_conn` decides the same between two instances and costs more.
# No `zone`: with one worker there is nobody to share the state of the instances with.
# A large request body would be streamed (proxy_request_buffering off), and no response touches the disk.
_HTTP = """\
    upstream service {{
        least_conn;
{instances}
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    limit_req_zone $binary_remote_addr zone=clients:10m rate={limit}r/s;
    limit_req_status 429;
    server {{
        listen 127.0.0.1:{port} default_server backlog=1024;
        return 404;
    }}
    server {{
        listen 127.0.0.1:{port};
        server_name {host};
        location {prefix}/ {{
            limit_req zone=clients burst={limit} nodelay;
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_request_buffering off;
            proxy_buffer_size 8k;
            proxy_buffers 16 16k;
            proxy_busy_buffers_size 64k;
            proxy_max_temp_file_size 0;
            proxy_connect_timeout 2s;
            proxy_next_upstream error timeout;
            proxy_next_upstream_tries 3;
        }}
    }}"""


class Nginx:
    """One master and one worker."""

    name = "nginx"
    programs = ("nginx",)
    speaks_http = True
    remark = "no active health checks in the free edition; sends no Via"

    def version(self, programs: Mapping[str, str], /) -> str:
        """As ``nginx -v`` says."""
        return first_line([programs["nginx"], "-v"]).removeprefix("nginx version: ")

    def start(self, job: Job, programs: Mapping[str, str], /, *, folder: Path, core: int) -> Server:
        """Writes the configuration and starts it."""
        port = free_port()
        http = _HTTP.format(
            instances="\n".join(
                f"        server {host}:{at} max_fails=3 fail_timeout=10s;" for host, at in job.instances
            ),
            limit=job.limit_per_second,
            port=port,
            host=job.workload.host,
            prefix=job.route_prefix,
        )
        return start_nginx(programs["nginx"], http, port=port, folder=folder / self.name, core=core)
