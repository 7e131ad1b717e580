"""Envoy as a gateway for the job."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.peers.gateways import Gateway
from bench.peers.gateways.place import Place
from bench.peers.job import HEALTH_PATH, Job, Limit
from bench.peers.packages import first_line
from bench.peers.process import Server

_TYPE = "type.googleapis.com/envoy"
_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
_UNBOUNDED = 1_000_000
_LOGGED = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%REQ(:PATH)%",
    "status": "%RESPONSE_CODE%",
    "bytes": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "first_byte": "%RESPONSE_DURATION%",
    "route": "%ROUTE_NAME%",
    "service": "%UPSTREAM_CLUSTER%",
    "instance": "%UPSTREAM_HOST%",
    "reason": "%RESPONSE_FLAGS%",
}


class Envoy(Gateway):
    """One process with a worker thread for each worker, and a main thread."""

    name = "envoy"
    programs = ("envoy",)
    speaks_http = True
    remark = "sends no Via"

    def version(self, programs: Mapping[str, str], /) -> str:
        """As ``envoy --version`` says, without the hash of the build."""
        return (
            f"envoy {first_line([programs['envoy'], '--version']).rpartition('version: ')[2].split('/')[1]}"
        )

    def start(
        self, job: Job, programs: Mapping[str, str], /, *, folder: Path, cores: Iterable[int]
    ) -> Server:
        """Writes the configuration and starts it without hot restart and admin interface."""
        place = Place.of(self.name, folder)
        bootstrap = _bootstrap(job, place.port, place.folder / "access.log")
        configuration = place.write("envoy.json", json.dumps(bootstrap))
        options = ["--concurrency", str(job.setup.workers), "--disable-hot-restart", "--log-level", "error"]
        return place.start([programs["envoy"], "-c", str(configuration), *options], cores=cores)


def _bootstrap(job: Job, port: int, log: Path) -> dict[str, Any]:
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "edge",
                    "address": _address("127.0.0.1", port),
                    "tcp_backlog_size": 4096,
                    "filter_chains": [{"filters": [_connection_manager(job, log)]}],
                }
            ],
            "clusters": [_cluster(job)],
        },
        # What an edge is told to have, far above what comes; without it every start warns.
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": _UNBOUNDED,
                    },
                }
            ]
        },
    }


def _connection_manager(job: Job, log: Path) -> dict[str, Any]:
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "edge",
            "codec_type": "HTTP1",
            # As an edge: what clients claim to forward is replaced. No request id, as the job asks for none.
            "use_remote_address": True,
            "skip_xff_append": True,
            "xff_num_trusted_hops": 1 if job.workload.behind_proxy else 0,
            "generate_request_id": False,
            "request_headers_timeout": "10s",
            "stream_idle_timeout": "60s",
            "common_http_protocol_options": {"idle_timeout": "75s"},
            "access_log": [_access_log(log)] if job.setup.access_log else [],
            "route_config": {"name": "routes", "virtual_hosts": [_virtual_host(job)]},
            "http_filters": [
                _local_rate_limit(job.limit, job.setup.clients),
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": f"{_TYPE}.extensions.filters.http.router.v3.Router",
                        "suppress_envoy_headers": True,
                    },
                },
            ],
        },
    }


def _virtual_host(job: Job) -> dict[str, Any]:
    return {
        "name": "service",
        "domains": [job.workload.host],
        "request_headers_to_add": [
            _overwritten("X-Forwarded-For", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            _overwritten("X-Forwarded-Host", "%REQ(:AUTHORITY)%"),
        ],
        "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
        "routes": [
            {
                "match": {"path_separated_prefix": prefix},
                "route": {"cluster": "service", "timeout": "60s"},
            }
            for prefix in job.prefixes
        ],
    }


def _overwritten(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _local_rate_limit(limit: Limit, clients: int) -> dict[str, Any]:
    """A token bucket per client address: a descriptor without a value stands for every address."""
    bucket = {
        "max_tokens": limit.burst,
        "tokens_per_fill": max(1, limit.per_minute // 60),
        "fill_interval": "1s" if limit.per_minute >= 60 else "60s",
    }
    return {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "limit",
            # For requests without a client address, of which there are none.
            "token_bucket": {
                "max_tokens": 1_000_000_000,
                "tokens_per_fill": 1_000_000_000,
                "fill_interval": "1s",
            },
            "always_consume_default_token_bucket": False,
            "filter_enabled": _ALWAYS,
            "filter_enforced": _ALWAYS,
            "rate_limits": [{"actions": [{"remote_address": {}}]}],
            "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
            "max_dynamic_descriptors": clients + 1000,
        },
    }


def _access_log(path: Path) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": _LOGGED},
        },
    }


def _cluster(job: Job) -> dict[str, Any]:
    threshold = {
        "max_connections": _UNBOUNDED,
        "max_pending_requests": _UNBOUNDED,
        "max_requests": _UNBOUNDED,
    }
    return {
        "name": "service",
        "type": "STATIC",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [threshold]},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": f"{job.health_interval_seconds}s",
                "no_traffic_interval": f"{job.health_interval_seconds}s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 2,
                "http_health_check": {
                    "path": HEALTH_PATH,
                    "expected_statuses": [{"start": 200, "end": 400}],
                },
            }
        ],
        "load_assignment": {
            "cluster_name": "service",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _address(*one)}} for one in job.instances]}
            ],
        },
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
