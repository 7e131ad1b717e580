"""How limits name what they count by, and what a request costs: the parts of keys, and costs, as a file writes them."""

from dataclasses import dataclass

from gateway.config.interpolate import Interpolated
from gateway.config.suggest import did_you_mean
from gateway.errors import InvalidValueError
from gateway.model import whole_number

CLIENT_IP = "client_ip"
MAX_KEY_PARTS = 8
"""Parts of one key: more hash nothing that fewer would not."""
MAX_COST = 1_000_000_000
MAX_NAME_CHARACTERS = 128
WHOLE = ("route", "service")
"""The parts that all requests of a route have in common, if it has one service, and that all of a service have."""

_PLAIN = (CLIENT_IP, "path", "host", *WHOLE)
_NAMED = ("header", "cookie", "query")
KEY_FORMS = '"client_ip", "client_ip/V4/V6" (prefix lengths), "header:NAME", "cookie:NAME", "query:NAME", "path", "host", "route" or "service"'
COST_FORMS = 'a whole number from 1, or { response_header = "NAME" }'

_TOKEN = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)  # RFC 9110 §5.6.2
_V4_BITS, _V6_BITS = 32, 128


@dataclass(frozen=True, slots=True)
class ResponseCost:
    """What the answer to a request says that it cost."""

    header: str
    """Name of the field that says it."""


Cost = int | ResponseCost
"""Tokens that a request takes."""


def read_key_part(text: str) -> str:
    """One of KEY_FORMS. Raises InvalidValueError."""
    kind, colon, name = text.partition(":")
    if colon and kind in _NAMED and _is_name(kind, name):
        return text
    if text in _PLAIN or _are_prefixes(text):
        return text
    known = (*_PLAIN, *(f"{named}:{name or 'NAME'}" for named in _NAMED))
    raise InvalidValueError(KEY_FORMS, did_you_mean(text, known) if text not in known else "")


def may_be_missing(part: str) -> bool:
    """Can a request be without this part? HTTP/1.0 requests may be without a host."""
    return ":" in part or part == "host"


def read_cost(value: object) -> Cost:
    """One of COST_FORMS. Raises InvalidValueError."""
    if isinstance(value, dict) and value.keys() == {"response_header"}:
        header = value["response_header"]
        if isinstance(header, str) and _is_name("header", header):
            return ResponseCost(str(header))
        raise InvalidValueError("the name of a header field")
    if isinstance(value, dict):
        raise InvalidValueError(COST_FORMS)
    number = whole_number(value, 1, MAX_COST) if isinstance(value, Interpolated) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_COST:
        raise InvalidValueError(COST_FORMS)
    return number


def write_cost(cost: Cost) -> object:
    """The cost as a file has it."""
    return {"response_header": cost.header} if isinstance(cost, ResponseCost) else cost


def _is_name(kind: str, name: str) -> bool:
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isascii():
        return False
    if kind == "query":
        return name.isprintable() and not {" ", "&", "=", "#"} & set(name)
    return _TOKEN.issuperset(name)


def _are_prefixes(text: str) -> bool:
    match text.split("/"):
        case [kind, v4, v6] if kind == CLIENT_IP:
            return whole_number(v4, 0, _V4_BITS) is not None and whole_number(v6, 0, _V6_BITS) is not None
        case _:
            return False
