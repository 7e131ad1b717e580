"""The values that configuration, supervisor and worker share: addresses, health and balance; pure, without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Self

from gateway.errors import InvalidValueError

MAX_PORT = 65535
MAX_SOCKET_PATH_BYTES = 107  # sockaddr_un.sun_path holds 108 with its final NUL (unix(7))
MAX_HOST_CHARACTERS = 253  # RFC 1035 §2.3.4, in the presentation form without the final dot
MAX_LABEL_CHARACTERS = 63  # RFC 1035 §2.3.4
FIRST_INHERITED_FD = 3  # 0, 1 and 2 are the standard streams
MAX_FD = 1_048_575  # the kernel's default fs.nr_open - 1

_DIGITS = frozenset("0123456789")
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")  # "_": resolvers and container platforms have it

ACCESS_LOG_OFF = "off"
ACCESS_LOG_STDOUT = "stdout"
"""Where the access log goes if not to a file."""
ACCESS_LOG_MODE = 0o640
"""Permissions of a file that is created for it: it names clients and what they asked for."""

CHOICES_ALL = "all"
"""Every instance is looked at."""

LISTEN_FORMS = '"IPV4:PORT", "[IPV6]:PORT", "unix:/PATH" or "fd:N"'
INSTANCE_FORMS = '"HOST:PORT", "[IPV6]:PORT" or "unix:/PATH"'


ERROR_STATUSES = (400, 404, 405, 408, 413, 414, 417, 429, 431, 501, 502, 503, 504, 505)
"""The codes of the answers that the gateway makes itself."""


class Health(IntEnum):
    """State of an instance: the numbers that stand in its health word in shared memory."""

    UNKNOWN = 0
    """Not probed yet, or never probed."""
    HEALTHY = 1
    UNHEALTHY = 2


HEALTH_DISABLED_BIT = 4
"""Beside the state: an operator took the instance out."""
HEALTH_EJECTED_BIT = 8
"""Beside the state: the instance has failed too many requests in a row."""


class Balance(StrEnum):
    """How a service's next instance is chosen."""

    P2C = "p2c"
    """The one with less in flight for its capacity, of a few drawn at random."""
    ROUND_ROBIN = "round_robin"
    """In turn, smoothly weighted."""
    EWMA = "ewma"
    """The one that answers sooner, by its latency and what it has in flight, of two drawn at random."""
    RANDOM = "random"
    """At random, by weight."""
    HASH = "hash"
    """By the key of the request, on a ring."""
    STICKY = "sticky"
    """Where the client was before, as its cookie says."""


class SameSite(StrEnum):
    """Which requests from other sites bring a cookie (RFC 6265bis §5.6.7)."""

    STRICT = "strict"
    """None does."""
    LAX = "lax"
    """Those by which a user comes from there."""
    NONE = "none"
    """All do."""


class Unreachable(StrEnum):
    """What a limit that gateways share does while what they share it through cannot be asked."""

    LOCAL = "local"
    """Every gateway goes on with its share: the limit divided by the gateways there were."""
    OPEN = "open"
    """Everything is admitted."""
    CLOSED = "closed"
    """Nothing is."""


Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted: equal sets of labels are equal."""


def labels_of(table: Mapping[str, str]) -> Labels:
    """The labels that a table has."""
    return tuple(sorted(table.items()))


class ListenMode(StrEnum):
    """What a listener does with what its clients send."""

    HTTP = "http"
    """Requests go to routes."""
    TCP = "tcp"
    """Connections are passed through to a service."""


class ProxyVersion(StrEnum):
    """The form of a PROXY header."""

    V1 = "v1"
    """A line of text."""
    V2 = "v2"
    """A block of bytes."""


class PassEnd(StrEnum):
    """How a connection that is passed through ends, as far as the worker is the one that knows; the engine has the others."""

    CLOSED = "closed"
    CLIENT_RESET = "client_reset"
    INSTANCE_RESET = "instance_reset"
    IDLE_TIMEOUT = "idle_timeout"
    CUT = "cut"


class PathSpelling(StrEnum):
    """A way to write a path that readers resolve differently."""

    ENCODED_SLASH = "encoded_slash"
    """``%2F``"""
    ENCODED_BACKSLASH = "encoded_backslash"
    """``%5C``, and a backslash itself."""
    ENCODED_NUL = "encoded_nul"
    """``%00``"""
    BAD_PERCENT = "bad_percent"
    """``%`` without two hexadecimal digits."""
    DOT_PARAMETERS = "dot_parameters"
    """``..;`` or ``.;`` at the start of a segment."""
    DUPLICATE_SLASHES = "duplicate_slashes"
    """``//``"""


class AddressKind(StrEnum):
    """What an address names."""

    IP = "ip"
    NAME = "name"
    UNIX = "unix"
    FD = "fd"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where clients connect to: an IP address and port, a Unix socket, or an inherited descriptor."""

    kind: AddressKind
    host: str = ""
    """Canonical IP address without brackets, for IP."""
    port: int = 0
    """For IP; 0 lets the system choose."""
    path: str = ""
    """Absolute path, for UNIX."""
    fd: int = -1
    """For FD."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads one of LISTEN_FORMS. Raises InvalidValueError."""
        if text.startswith("unix:"):
            return cls(AddressKind.UNIX, path=_socket_path(text.removeprefix("unix:")))
        if text.startswith("fd:"):
            return cls(AddressKind.FD, fd=_descriptor(text.removeprefix("fd:")))
        host, port = _split_port(text, LISTEN_FORMS)
        number = _port(port, lowest=0)
        kind, host = _host(host, LISTEN_FORMS, port)
        if kind is AddressKind.NAME:
            hint = f'write "127.0.0.1:{port}"' if host == "localhost" else ""
            raise InvalidValueError(f"an IP address to listen on, not a name: {LISTEN_FORMS}", hint)
        return cls(kind, host=host, port=number)

    def __str__(self) -> str:
        """The address as a configuration file writes it."""
        match self.kind:
            case AddressKind.UNIX:
                return f"unix:{self.path}"
            case AddressKind.FD:
                return f"fd:{self.fd}"
            case _:
                return join_host_port(self.host, self.port)


@dataclass(frozen=True, slots=True)
class InstanceAddress:
    """Where an instance listens: an IP address or a DNS name with a port, or a Unix socket."""

    kind: AddressKind
    host: str = ""
    """Canonical IP address without brackets (IP) or lower-case DNS name (NAME)."""
    port: int = 0
    """1 to 65535, for IP and NAME."""
    path: str = ""
    """Absolute path, for UNIX."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads one of INSTANCE_FORMS. Raises InvalidValueError."""
        if text.startswith("unix:"):
            return cls(AddressKind.UNIX, path=_socket_path(text.removeprefix("unix:")))
        if "://" in text:
            raise InvalidValueError(f"an address without a scheme: {INSTANCE_FORMS}")
        host, port = _split_port(text, INSTANCE_FORMS)
        number = _port(port, lowest=1)
        kind, host = _host(host, INSTANCE_FORMS, port)
        return cls(kind, host=host, port=number)

    def __str__(self) -> str:
        """The address as a configuration file writes it."""
        return f"unix:{self.path}" if self.kind is AddressKind.UNIX else join_host_port(self.host, self.port)


def join_host_port(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address (RFC 3986 §3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_dns_name(text: str) -> bool:
    """Is this a lower-case host name? A last label of digits only is a broken IPv4 address and no name."""
    if not 0 < len(text) <= MAX_HOST_CHARACTERS:
        return False
    labels = text.split(".")
    return all(map(_is_label, labels)) and not _DIGITS.issuperset(labels[-1])


def is_ipv4(text: str) -> bool:
    """Is this an IPv4 address in dotted decimal form, without leading zeros?"""
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def is_bracketed_ipv6(text: str) -> bool:
    """Is this an IPv6 address in brackets, in its canonical form (RFC 5952), the only one that clients send?"""
    try:
        return text == f"[{_ipv6(text[1:-1])}]"
    except InvalidValueError:
        return False


def whole_number(text: str, lowest: int, highest: int) -> int | None:
    """A decimal number without sign, spaces or leading zeros, within the bounds; otherwise None."""
    # The length is checked first: int() takes time quadratic in it, and str.isdigit knows digits that are not ASCII.
    if (
        not 0 < len(text) <= len(str(highest))
        or not _DIGITS.issuperset(text)
        or (text[0] == "0" and text != "0")
    ):
        return None
    number = int(text)
    return number if lowest <= number <= highest else None


def _split_port(text: str, forms: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    if not colon or host.endswith(":") or (host.startswith("[") != host.endswith("]")):
        raise InvalidValueError(forms, "" if colon or not text else "the port is missing")
    return host, port


def _port(text: str, lowest: int) -> int:
    number = whole_number(text, lowest, MAX_PORT)
    if number is None:
        raise InvalidValueError(f"a port from {lowest} to {MAX_PORT} after the last colon")
    return number


def _host(text: str, forms: str, port: str) -> tuple[AddressKind, str]:
    """Kind and canonical form of what stands before the port."""
    if text.startswith("["):
        return AddressKind.IP, _ipv6(text[1:-1])
    if text in ("", "*"):
        raise InvalidValueError(
            forms, f'write "0.0.0.0:{port}" or "[::]:{port}" for every address of this machine'
        )
    if ":" in text:
        raise InvalidValueError(forms, f'an IPv6 address stands in brackets: "[{text}]:{port}"')
    if is_ipv4(text):
        return AddressKind.IP, text
    name = text.lower() if text.isascii() else ""  # lower() makes an ASCII k of the Kelvin sign
    if not is_dns_name(name.removesuffix(".")):
        raise InvalidValueError(forms)
    return AddressKind.NAME, name


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise InvalidValueError("an IPv6 address in the brackets") from None
    if address.scope_id is not None:
        raise InvalidValueError("an IPv6 address without a zone")
    return str(address)


def _is_label(text: str) -> bool:
    return (
        0 < len(text) <= MAX_LABEL_CHARACTERS
        and _LABEL.issuperset(text)
        and not text.startswith("-")
        and not text.endswith("-")
    )


def _socket_path(text: str) -> str:
    if not text.startswith("/") or text.endswith("/") or not text.isprintable():
        raise InvalidValueError("an absolute path of printable characters after unix:")
    if len(text.encode()) > MAX_SOCKET_PATH_BYTES:
        raise InvalidValueError(f"a socket path of at most {MAX_SOCKET_PATH_BYTES} bytes")
    return text


def _descriptor(text: str) -> int:
    number = whole_number(text, FIRST_INHERITED_FD, MAX_FD)
    if number is None:
        raise InvalidValueError(
            f"the number of an inherited descriptor, from {FIRST_INHERITED_FD}, after fd:"
        )
    return number
