"""Requests that a configuration has routes for, for those who name none. Pure."""

from gateway.benchmark.load import Request
from gateway.config.matching import Match
from gateway.config.schema import Config, Route


def requests_of_routes(config: Config) -> tuple[Request, ...]:
    """One for each route that takes a GET and asks for no more than host and path, with equal weights; the shortest that
    the route matches.
    """
    requests = [
        Request(route.name, "GET", path, (("Host", host),) if (host := _host(route)) else ())
        for route in config.routes
        if (path := _path(route)) and (not route.methods or "GET" in route.methods)
    ]
    return tuple(requests) or (Request("GET /"),)


def _host(route: Route) -> str:
    host = route.host or ""
    return f"any{host.removeprefix('*')}" if host.startswith("*") else host


def _path(route: Route) -> str | None:
    """None where more is asked than a path."""
    path = route.path or "/"
    if not isinstance(path, str) or route.match != Match(route.host, route.path, route.methods):
        return None
    return path.removesuffix("*") or "/"
