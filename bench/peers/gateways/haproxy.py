"""HAProxy as a gateway for the job."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.peers.gateways import Gateway
from bench.peers.gateways.place import Place
from bench.peers.job import HEALTH_PATH, Job
from bench.peers.packages import first_line
from bench.peers.process import Server

# leastconn is its load-aware choice and cheaper than `balance random(2)`.
# del-header before forwardfor: an inbound X-Forwarded-For is replaced and not continued, as at any edge.
# Splicing costs more than it saves where a pipe holds less than a buffer.
# Prefixes are in a file because its patterns are found by a tree then.
_CONFIGURATION = """\
global
    nbthread {threads}
    maxconn 6000
    tune.bufsize {buffer}
    no numa-cpu-mapping
{global_log}

defaults
    mode http
{log}
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
    bind 127.0.0.1:{port} backlog 4096
    stick-table type ip size 2m expire 5m store http_req_rate({window})
{proxies}    http-request track-sc0 src
    http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {limit} }}
    acl host_matches hdr(host) -i {host}
    acl path_matches path_beg -f {prefixes}
    http-request del-header X-Forwarded-For
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    use_backend service if host_matches path_matches

backend service
    balance leastconn
    http-reuse always
    option httpchk GET {health}
    default-server check inter {interval}s fall 3 rise 2 pool-max-conn {idle}
{instances}
"""

_BUFFER, _LARGE_BUFFER = 32_768, 65_536
"""There is one size for both directions and all requests: 64k takes a quarter off responses of 1 MB against the default of
16k, and puts a quarter on uploads; 32k is the best for uploads. So it gets what suits the workload."""

_BEHIND_PROXY = "    http-request set-src req.hdr_ip(X-Forwarded-For,-1)\n"

_LOG = (
    """    log global\n    log-format '{"time":"%trl","client":"%ci","method":"%HM","path":"%{+E}HP","status":%ST,"""
    """"bytes":%B,"duration":%Ta,"first_byte":%Tr,"service":"%b","instance":"%s"}'"""
)


class HAProxy(Gateway):
    """One process with a thread for each worker."""

    name = "haproxy"
    programs = ("haproxy",)
    speaks_http = True
    remark = (
        "limits by a sliding window instead of a token bucket; sends no Via; "
        "its access log has no buffer: a system call a line"
    )

    def version(self, programs: Mapping[str, str], /) -> str:
        """As ``haproxy -v`` says."""
        return first_line([programs["haproxy"], "-v"]).partition(" - ")[0]

    def start(
        self, job: Job, programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Writes the configuration and starts it in the foreground."""
        place = Place.of(self.name, folder)
        prefixes = place.write("prefixes.lst", "".join(f"{prefix}/\n" for prefix in job.prefixes))
        configuration = place.write("haproxy.cfg", _configuration(job, place.port, prefixes))
        return place.start([programs["haproxy"], "-db", "-f", str(configuration)], cores=cores)


def _configuration(job: Job, port: int, prefixes: Path) -> str:
    per_second, rest = divmod(job.limit.per_minute, 60)
    instances = (
        f"    server instance{number} {host}:{at}" for number, (host, at) in enumerate(job.instances)
    )
    return _CONFIGURATION.format(
        threads=job.setup.workers,
        buffer=_LARGE_BUFFER if job.workload.response_bytes > _LARGE_BUFFER else _BUFFER,
        # Its standard output is a file of the run.
        global_log="    log stdout format raw local0" if job.setup.access_log else "",
        log=_LOG if job.setup.access_log else "    no log",
        port=port,
        proxies=_BEHIND_PROXY if job.workload.behind_proxy else "",
        # A window of a minute takes the burst for what may come in it.
        window="1m" if rest else "1s",
        limit=job.limit.burst if rest else per_second,
        host=job.workload.host,
        prefixes=prefixes,
        health=HEALTH_PATH,
        interval=job.health_interval_seconds,
        idle=job.idle_connections,
        instances="\n".join(instances),
    )
