"""Caddy as a gateway for the job."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.peers.gateways import Gateway
from bench.peers.gateways.place import Place
from bench.peers.job import HEALTH_PATH, Job, Workload
from bench.peers.packages import first_line
from bench.peers.process import Server

# What clients claim to forward is replaced by default, as no proxy is trusted. Compression to the instances, which Go
# asks for by itself, is left to the client and the instance.
_CONFIGURATION = """\
{{
    admin off
    auto_https off
    log {{
        level ERROR
        exclude http.log.access
    }}
    servers {{
        protocols h1
        timeouts {{
            read_header 10s
            idle 75s
        }}
    }}
}}
http://:{port} {{
    bind 127.0.0.1
{log}
    @service {{
        host {host}
        path {paths}
    }}
    handle @service {{
        reverse_proxy {instances} {{
            lb_policy least_conn
            lb_retries 2
            health_uri {health}
            health_interval {interval}s
            health_timeout 1s
            transport http {{
                dial_timeout 2s
                compression off
                keepalive 60s
                keepalive_idle_conns {all_idle}
                keepalive_idle_conns_per_host {idle}
            }}
        }}
    }}
    handle {{
        respond 404
    }}
}}
"""

_LOG = """\
    log {{
        output file {path} {{
            roll_disabled
        }}
        format json
    }}"""


class Caddy(Gateway):
    """One process; Go is given as many threads at work as there are workers."""

    name = "caddy"
    programs = ("caddy",)
    speaks_http = True
    remark = "no limit per client; sends no Via"

    def version(self, programs: Mapping[str, str], /) -> str:
        """As ``caddy version`` says."""
        return f"caddy {first_line([programs['caddy'], 'version'])}"

    def unfit(self, workload: Workload, /) -> str:
        """It has no limit."""
        return "has no limit per client" if workload.behind_proxy else ""

    def start(
        self, job: Job, programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Writes the configuration and starts it, with all that it keeps in its own folder."""
        place = Place.of(self.name, folder)
        configuration = place.write("Caddyfile", _configuration(job, place))
        home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(place.folder))
        return place.start(
            [programs["caddy"], "run", "--config", str(configuration), "--adapter", "caddyfile"],
            cores=cores,
            environment={**home, "GOMAXPROCS": str(job.setup.workers)},
        )


def _configuration(job: Job, place: Place) -> str:
    return _CONFIGURATION.format(
        port=place.port,
        log=_LOG.format(path=place.folder / "access.log") if job.setup.access_log else "",
        host=job.workload.host,
        paths=" ".join(f"{prefix}/*" for prefix in job.prefixes),
        instances=" ".join(f"{host}:{at}" for host, at in job.instances),
        health=HEALTH_PATH,
        interval=job.health_interval_seconds,
        idle=job.idle_connections,
        all_idle=job.idle_connections * len(job.instances),
    )
