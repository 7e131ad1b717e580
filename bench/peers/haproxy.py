"""HAProxy as a gateway for the job."""

from collections.abc import Mapping
from pathlib import Path

from bench.peers.job import HEALTH_PATH, Job
from bench.peers.packages import first_line
from bench.peers.process import Server, free_port, start_listening

# leastconn is its load-aware choice and cheaper than `balance random(2)`.
# del-header before forwardfor: an inbound X-Forwarded-For is replaced and not continued, as at any edge.
# tune.bufsize stays at its default.
_CONFIGURATION = """\
global
    nbthread 1
    maxconn 4096
    no numa-cpu-mapping

defaults
    mode http
    no log
    option dontlognull
    option http-keep-alive
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 75s
    retries 2
    option redispatch

frontend edge
    bind 127.0.0.1:{port} backlog 1024
    stick-table type ip size 1m expire 1m store http_req_rate(1s)
    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}
    acl host_matches hdr(host) -i {host}
    acl path_matches path_beg {prefix}/
    http-request del-header X-Forwarded-For
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    use_backend service if host_matches path_matches

backend service
    balance leastconn
    http-reuse always
    option httpchk GET {health}
    default-server check inter {interval}s fall 3 rise 2 pool-max-conn 64
{instances}
"""


class HAProxy:
    """One process with one thread."""

    name = "haproxy"
    programs = ("haproxy",)
    speaks_http = True
    remark = "limits by a sliding window instead of a token bucket; sends no Via"

    def version(self, programs: Mapping[str, str], /) -> str:
        """As ``haproxy -v`` says."""
        return first_line([programs["haproxy"], "-v"]).partition(" - ")[0]

    def start(self, job: Job, programs: Mapping[str, str], /, *, folder: Path, core: int) -> Server:
        """Writes the configuration and starts it in the foreground."""
        own = folder / self.name
        own.mkdir()
        port = free_port()
        instances = (
            f"    server instance{number} {host}:{at}" for number, (host, at) in enumerate(job.instances)
        )
        configuration = own / "haproxy.cfg"
        configuration.write_text(
            _CONFIGURATION.format(
                port=port,
                limit=job.limit_per_second,
                host=job.workload.host,
                prefix=job.route_prefix,
                health=HEALTH_PATH,
                interval=job.health_interval_seconds,
                instances="\n".join(instances),
            )
        )
        return start_listening(
            [programs["haproxy"], "-db", "-f", str(configuration)],
            core=core,
            port=port,
            log=own / "haproxy.log",
        )
