"""Asks a target once before a load: where it is, whether it answers, and with what; so that a mistake costs no minutes."""

import http.client
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.benchmark.generators import Place
from gateway.benchmark.load import LoadError, Request, Target

WITHIN_SECONDS = 5.0
MOST_ASKED = 20
"""Kinds of requests that are asked; a replayed log may have thousands."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the target said."""

    place: Place
    refused: dict[str, int]
    """Status by the name of each request that was answered with one from 400."""


def greet(
    target: Target, requests: Sequence[Request], *, timeout_seconds: float = WITHIN_SECONDS
) -> Greeting:
    """Sends each request once. Raises LoadError when the target cannot be reached or does not speak HTTP."""
    place = _place(target)
    refused = {}
    for request in requests[:MOST_ASKED]:
        status = _ask(target, place, request, timeout_seconds)
        if status >= 400:
            refused[request.name] = status
    return Greeting(place, refused)


def _place(target: Target) -> Place:
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise LoadError(f"{target.host} has no address") from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(WITHIN_SECONDS)
            if probe.connect_ex(address) == 0:
                return Place(int(family), address)
    raise LoadError(f"nothing answers at {target.url}: the connection is refused or never made")


def _ask(target: Target, place: Place, request: Request, timeout_seconds: float) -> int:
    connection = http.client.HTTPConnection(str(place.address[0]), target.port, timeout=timeout_seconds)
    try:
        connection.connect()
        if (tls := target.tls()) is not None:
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=target.host)
        connection.sock.sendall(request.encode(target.authority, keep_alive=False))
        response = http.client.HTTPResponse(connection.sock, method=request.method)
        response.begin()
        while response.read(_READ_BYTES):
            pass
    except ssl.SSLCertVerificationError as error:
        raise LoadError(
            f"the certificate of {target.url} is wrong: {error.verify_message} (--insecure takes it nevertheless)"
        ) from None
    except ssl.SSLError as error:
        raise LoadError(f"{target.url} does not speak TLS: {error.reason or error}") from None
    except TimeoutError:
        raise LoadError(f"{target.url} has not answered {request.name} in {timeout_seconds:.0f} s") from None
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise LoadError(f"{target.url} does not answer {request.name}: {reason.lower()}") from None
    else:
        return response.status
    finally:
        connection.close()
