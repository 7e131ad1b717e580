"""A page in a browser, as far as it asks other origins: what it may send and read, by the Fetch standard, written from its words."""

from dataclasses import dataclass

from tests.helpers.client import Client, Response
from tests.helpers.message import Fields

UNASKED_METHODS = frozenset({"GET", "HEAD", "POST"})
"""CORS-safelisted methods."""
UNASKED_FIELDS = frozenset({"accept", "accept-language", "content-language"})
"""CORS-safelisted request-header names."""
ALWAYS_READ = frozenset({"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"})  # fmt: skip
"""CORS-safelisted response-header names."""


class BlockedError(Exception):
    """The browser tells the page of a network error, and nothing more. The message says what to people."""


@dataclass(slots=True)
class Seen:
    """What the page gets to see of an answer."""

    status: int
    body: bytes
    fields: dict[str, str]
    """Those that it may read, by their names in lower case."""


@dataclass(slots=True)
class Page:
    """One page; it remembers no preflight."""

    client: Client
    origin: str
    credentials: bool = False
    """Are its requests made in credentials mode "include"?"""

    async def fetch(self, method: str, target: str, **fields: str) -> Seen:
        """Makes a request with fields (``_`` stands for a dash). Raises BlockedError."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        unsafe = sorted(name.lower() for name in named if name.lower() not in UNASKED_FIELDS)
        if method not in UNASKED_METHODS or unsafe:
            await self._preflight(method, target, unsafe)
        response = await self._send(method, target, named)
        self._check(response.fields)
        told = _list(response.fields, "access-control-expose-headers")
        everything = "*" in told and not self.credentials
        readable = {
            name.lower(): value
            for name, value in response.fields
            if everything or name.lower() in ALWAYS_READ | told
        }
        return Seen(response.status, response.body.data, readable)

    async def _preflight(self, method: str, target: str, unsafe: list[str]) -> None:
        """CORS-preflight fetch."""
        announced = {"Access-Control-Request-Method": method}
        if unsafe:
            announced["Access-Control-Request-Headers"] = ",".join(unsafe)
        response = await self._send("OPTIONS", target, announced)
        self._check(response.fields)
        if not 200 <= response.status <= 299:
            raise BlockedError(f"the preflight was answered with {response.status}")
        methods = {value.upper() for value in _list(response.fields, "access-control-allow-methods")}
        names = _list(response.fields, "access-control-allow-headers")
        all_methods, all_names = ("*" in told and not self.credentials for told in (methods, names))
        if method not in methods | UNASKED_METHODS and not all_methods:
            raise BlockedError(f"{method} is not allowed")
        for name in unsafe:
            if name not in names and not (all_names and name != "authorization"):
                raise BlockedError(f"{name} is not allowed")

    def _check(self, fields: Fields) -> None:
        """CORS check."""
        allowed = fields.all("access-control-allow-origin")
        if not allowed:
            raise BlockedError("no origin is allowed")
        together = ", ".join(allowed)
        if together == "*" and not self.credentials:
            return
        if together != self.origin:
            raise BlockedError("another origin is allowed")
        if self.credentials and fields.all("access-control-allow-credentials") != ["true"]:
            raise BlockedError("credentials are not allowed")

    async def _send(self, method: str, target: str, fields: dict[str, str]) -> Response:
        own = {"Host": "shared.example", "Origin": self.origin, **fields}
        if method not in {"GET", "HEAD", "OPTIONS"}:
            own["Content-Length"] = "0"
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items()), "", ""]
        (response,) = await self.client.exchange("\r\n".join(lines).encode(), method)
        return response


def _list(fields: Fields, name: str) -> set[str]:
    """The elements of a list, in lower case."""
    return {element.strip().lower() for value in fields.all(name) for element in value.split(",")} - {""}
