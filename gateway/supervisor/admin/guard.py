"""Decides which writing requests of the admin API are let in: those of operators and their tools, not of web pages.

A page that an operator visits can make the browser send requests to loopback addresses. Three things stop it: a name
that was rebound to loopback is no address; a browser names the page's origin; and a body other than JSON, the only kind
that a page may send unasked, is refused.
"""

from dataclasses import dataclass
from ipaddress import ip_address

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a request is refused, and the status that says so."""

    status: int
    reason: str


def objection(host: str, origin: str | None, content_type: str | None, body: bytes) -> Objection | None:
    """What speaks against a writing request with these header fields (None: it has no such field) and this body."""
    if not is_address(host):
        return Objection(421, "Host must be an IP address or localhost")
    if origin is not None and origin != f"http://{host}":
        return Objection(403, "requests of web pages are not taken")
    if body and (content_type or "").partition(";")[0].strip().lower() != JSON:
        return Objection(415, f"the body must be {JSON}")
    return None


def is_address(host: str) -> bool:
    """Is this Host an IP address or ``localhost``, with or without a port? No other name can be rebound to those."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name = host
    elif not (port.isascii() and port.isdigit()):
        return False
    if name.lower() == "localhost":
        return True
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        return ip_address(name[1:-1] if bracketed else name).version == (6 if bracketed else 4)
    except ValueError:
        return False
