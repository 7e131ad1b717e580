"""The door of those who write configurations: what the engine takes for an expression, and what it would do with a
request.
"""

from typing import NamedTuple

from gateway._native import Explainer, check_pattern

__all__ = [
    "Answer",
    "Compressed",
    "CrossOrigin",
    "Explanation",
    "Judge",
    "Misfit",
    "Refusal",
    "check_pattern",
]


class Refusal(NamedTuple):
    """An answer of the gateway's own."""

    status: int
    details: str


class Answer(NamedTuple):
    """What a route answers itself, in the place of a service."""

    status: int
    location: str | None
    """Where the client is to ask instead; None where it is not."""


class Compressed(NamedTuple):
    """How the answers of instances to a request go out that its route compresses."""

    coding: str | None
    """None where the request accepts no coding that the route has."""
    public_only: bool
    """Only those are compressed that say that they are for everybody."""


class CrossOrigin(NamedTuple):
    """What a page is told of a route that says something of other origins."""

    preflight: bool
    """The request announces another, and is answered before anything else is asked."""
    allowed: bool
    """The page may read the answer, or make the request that it announces."""


class Misfit(NamedTuple):
    """Why a route was not taken."""

    route: int
    what: str
    """"host", "path", "method", "listener", "client", "header", "cookie", "query"; or "precedence": all fits, and a more
    specific route was taken."""
    name: str
    """Of a header field, a cookie or a query parameter."""


class Explanation(NamedTuple):
    """What becomes of a request."""

    client: str
    host: str
    path: str
    """Host and path are those that it is routed by; empty when it was not understood."""
    route: int | None
    """Index of the route that matches."""
    refusal: Refusal | None
    """None when the request goes on to the limits of its route."""
    service: int | None
    """Index of the service that the request names; None where its route does not ask for a name."""
    answer: Answer | None
    """What comes behind these limits where the route leads to no service."""
    compressed: Compressed | None
    """None where the route compresses nothing."""
    cross_origin: CrossOrigin | None
    """None where the route says nothing of other origins."""
    others: tuple[Misfit, ...]
    """All other routes; none when the request was not understood."""


class Judge:
    """The engine's decisions by one snapshot, made without a lane: nothing is counted, taken or sent."""

    def __init__(self, blob: bytes) -> None:
        """Raises ValueError naming what cannot be compiled."""
        self._explainer = Explainer(blob)

    def explain(self, head: bytes, listener: int, peer: str) -> Explanation:
        """What becomes of a request with this head, from ``peer``. Raises ValueError when that is no IP address."""
        told = self._explainer.explain(head, listener, peer)
        client, host, path, route, refusal, service, answer, compressed, cross_origin, others = told
        return Explanation(
            client,
            host,
            path,
            route,
            Refusal(*refusal) if refusal else None,
            service,
            Answer(*answer) if answer else None,
            Compressed(*compressed) if compressed else None,
            CrossOrigin(*cross_origin) if cross_origin else None,
            tuple(Misfit(*other) for other in others),
        )
