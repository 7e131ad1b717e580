"""How a route selects a service by its name: ``{service}`` stands for the name in the path or the host of requests. Pure."""

SERVICE = "{service}"
_LABEL = f"{SERVICE}."
_SEGMENT = f"/{SERVICE}/*"


def path_pattern(path: str) -> str:
    """What a path with a name in it matches: ``/apps/*`` for ``/apps/{service}/*``. Any other is as it was."""
    return f"{path.removesuffix(_SEGMENT)}/*" if path.endswith(_SEGMENT) else path


def host_pattern(host: str) -> str:
    """What a host with a name in it matches: ``*.internal`` for ``{service}.internal``. Any other is as it was."""
    return f"*.{host.removeprefix(_LABEL)}" if host.startswith(_LABEL) else host


def names_service(match: object) -> bool:
    """Does this path or host say where requests name their service?"""
    return isinstance(match, str) and SERVICE in match
