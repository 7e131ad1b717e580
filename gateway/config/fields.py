"""The kinds of values that a configuration has: how each is read, and how the JSON Schema describes it."""

import re
import string
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from gateway.config.edits import (
    read_authority,
    read_bare_host,
    read_field_name,
    read_field_value,
    read_rewrite_path,
)
from gateway.config.interpolate import Interpolated
from gateway.config.keys import (
    CLIENT_IP,
    KEY_FORMS,
    MAX_COST,
    WHOLE,
    Cost,
    read_cost,
    read_key_part,
    write_cost,
)
from gateway.config.matching import (
    MAX_ROUTE_NAME_CHARACTERS,
    METHODS,
    Pattern,
    Test,
    read_cookie_test,
    read_field_test,
    read_host,
    read_method,
    read_parameter_name,
    read_parameter_test,
    read_path_or_pattern,
    read_probe_target,
    read_tested_cookie_name,
    read_tested_field_name,
    write_pattern,
    write_test,
)
from gateway.config.networks import FORMS as NETWORK_FORMS
from gateway.config.networks import Network, read_network
from gateway.config.suggest import did_you_mean
from gateway.config.units import Duration, Multiple, Rate, Share, Size, Throughput
from gateway.errors import InvalidValueError
from gateway.model import (
    ACCESS_LOG_OFF,
    ACCESS_LOG_STDOUT,
    CHOICES_ALL,
    ERROR_STATUSES,
    AddressKind,
    InstanceAddress,
    ListenAddress,
    whole_number,
)

MAX_NAME_CHARACTERS = 64
MAX_THROUGHPUT = Throughput.parse("1GB/s")  # the engine computes in whole nanoseconds per byte
MAX_PAGE_BYTES = 64 * 1024  # every worker holds all pages, and one is written in one piece
MAX_CHOICES = 64  # beyond a handful the load is hardly evener, and each one costs a look
MAX_LABEL_CHARACTERS = 128
REDIRECT_STATUSES = (301, 302, 303, 307, 308)  # RFC 9110 §15.4: those that name one place to go on at
MAX_WORKERS = 127  # the shared memory has at most 256 lanes, and N workers take 2 N + 2

MIN_SECRET_BYTES = 16  # a shorter one can be guessed

HASH_KEY_FORMS = 'a part of requests in which they differ: "client_ip", "client_ip/V4/V6", "header:NAME", "cookie:NAME", "query:NAME", "path" or "host"'

NAMING_FORMS = '"header:NAME", "cookie:NAME" or "query:NAME"'

_ANY_TEXT: JsonSchemaValue = {"type": "string"}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+(; ?[a-z0-9-]+=[A-Za-z0-9.+-]+)*", re.ASCII)
_TOKEN = frozenset("!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits)  # RFC 9110 §5.6.2
_REFERENCE: JsonSchemaValue = {"type": "string", "pattern": r"\$\{"}


class Secret(str):
    """A text that no message, log or dump may show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"


class Reads:
    """Annotation of a field: one function reads the TOML value, and raises InvalidValueError for a wrong one."""

    def __init__(
        self,
        read: Callable[[object], object],
        schema: JsonSchemaValue,
        write: Callable[..., object] | None = None,
    ) -> None:
        """``write`` makes what a file has of the value; without it, its text."""
        self._read = read
        self._schema = schema
        self._write = write or _written

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The function is all the validation there is; the value is written back as a file has it."""
        return core_schema.no_info_plain_validator_function(
            self._read, serialization=core_schema.plain_serializer_function_ser_schema(self._write)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """What an editor checks while somebody types; it cannot know what a reference will stand for."""
        return dict(self._schema) if self._schema == _ANY_TEXT else {"anyOf": [self._schema, _REFERENCE]}


class Counted:
    """Annotation of a list or table: it has at least one element, and perhaps at most so many."""

    def __init__(self, element: str, most: int | None = None) -> None:
        self._element = element
        self._most = most

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The elements are counted before they are read: pydantic's own minimum counts the right ones only."""
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The same rule in the words of JSON Schema."""
        inner = handler(schema)
        noun = "Properties" if inner.get("type") == "object" else "Items"
        bounds = {f"min{noun}": 1} if self._most is None else {f"min{noun}": 1, f"max{noun}": self._most}
        return {**inner, **bounds}

    def _check(self, value: object) -> object:
        if value in ([], {}):
            raise InvalidValueError(f"at least one {self._element}")
        if self._most is not None and isinstance(value, list | dict) and len(value) > self._most:
            raise InvalidValueError(f"at most {self._most} of {self._element}")
        return value


def between(lowest: str, highest: str) -> Reads:
    """A duration within bounds, both included."""
    least, most = Duration.parse(lowest), Duration.parse(highest)

    def read(value: object) -> Duration:
        duration = Duration.parse(_text(value, 'a duration with its unit, such as "5s"'))
        if not least <= duration <= most:
            raise InvalidValueError(f'a duration from "{lowest}" to "{highest}"')
        return duration

    return Reads(read, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"})


def size_between(lowest: str, highest: str) -> Reads:
    """A size within bounds, both included."""
    least, most = Size.parse(lowest), Size.parse(highest)

    def read(value: object) -> Size:
        size = Size.parse(_text(value, 'a size with its unit, such as "32KiB"'))
        if not least <= size <= most:
            raise InvalidValueError(f'a size from "{lowest}" to "{highest}"')
        return size

    return Reads(read, {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([KMG]i?)?B$"})


def whole(lowest: int, highest: int) -> Reads:
    """A whole number within bounds, both included."""

    def read(value: object) -> int:
        return _number(value, lowest, highest, f"a whole number from {lowest} to {highest}")

    return Reads(read, {"type": "integer", "minimum": lowest, "maximum": highest})


def text(read: Callable[[str], object], expected: str, schema: JsonSchemaValue | None = None) -> Reads:
    """A string that the function reads."""
    return Reads(lambda value: read(_text(value, expected)), {**_ANY_TEXT, **(schema or {})})


def choice(*allowed: str) -> Reads:
    """One of a few words."""
    words = dict(zip(allowed, allowed, strict=True))  # gives the member when the words are those of an enum
    listed = ", ".join(f'"{word}"' for word in allowed[:-1])
    expected = f'{listed} or "{allowed[-1]}"' if listed else f'"{allowed[-1]}"'

    def read(value: object) -> str:
        if isinstance(value, str) and value in words:
            return words[value]
        raise InvalidValueError(expected, did_you_mean(str(value), allowed))

    return Reads(read, {"enum": list(allowed)})


def _text(value: object, expected: str) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(f"{expected} (a string)")
    return str(value)


def _written(value: object) -> object:
    return value if value is None or isinstance(value, int) else str(value)


def _number(value: object, lowest: int, highest: int, expected: str) -> int:
    """A number of the file, or one that an interpolated string spells."""
    number = whole_number(value, lowest, highest) if isinstance(value, Interpolated) else value
    if not isinstance(number, int) or isinstance(number, bool) or not lowest <= number <= highest:
        raise InvalidValueError(expected)
    return number


def _flag(value: object) -> bool:
    """A boolean of the file, or one that an interpolated string spells."""
    spelled = {"true": True, "false": False}.get(value) if isinstance(value, Interpolated) else value
    if not isinstance(spelled, bool):
        raise InvalidValueError("true or false")
    return spelled


def _workers(value: object) -> int | str:
    if value == "auto":
        return "auto"
    return _number(value, 1, MAX_WORKERS, f'"auto" or a whole number from 1 to {MAX_WORKERS}')


def _choices(value: object) -> int | str:
    if value == CHOICES_ALL:
        return CHOICES_ALL
    return _number(value, 2, MAX_CHOICES, f'"{CHOICES_ALL}" or a whole number from 2 to {MAX_CHOICES}')


def _redirect_status(value: object) -> int:
    listed = ", ".join(map(str, REDIRECT_STATUSES))
    status = _number(value, REDIRECT_STATUSES[0], REDIRECT_STATUSES[-1], f"one of {listed}")
    if status not in REDIRECT_STATUSES:
        raise InvalidValueError(f"one of {listed}")
    return status


def _label(value: str) -> str:
    if not (0 < len(value) <= MAX_LABEL_CHARACTERS and value.isprintable()):
        raise InvalidValueError(f"a text of at most {MAX_LABEL_CHARACTERS} printable characters")
    return value


def _panic(value: str) -> Share:
    return Share(0) if value == "0%" else Share.parse(value)


def _admin_address(value: str) -> ListenAddress:
    address = ListenAddress.parse(value)
    if address.kind is not AddressKind.IP:
        raise InvalidValueError('"IPV4:PORT" or "[IPV6]:PORT"')
    return address


def _throughput(value: str) -> Throughput:
    throughput = Throughput.parse(value)
    if throughput > MAX_THROUGHPUT:
        raise InvalidValueError(f'"off", or at most "{MAX_THROUGHPUT}"')
    return throughput


def _hash_key(value: str) -> str:
    part = read_key_part(value)
    if part in WHOLE:  # all requests would go to one instance
        raise InvalidValueError(HASH_KEY_FORMS)
    return part


def _naming_part(value: str) -> str:
    part = read_key_part(value)
    if ":" not in part:
        raise InvalidValueError(NAMING_FORMS)
    return part


def _cookie_name(value: str) -> str:
    if not _is_token(value) or len(value) > MAX_NAME_CHARACTERS:
        raise InvalidValueError(
            f"the name of a cookie: at most {MAX_NAME_CHARACTERS} ASCII letters, digits and !#$%&'*+-.^_`|~"
        )
    return value


def _cookie_path(value: str) -> str:
    if not (
        value.startswith("/") and value.isascii() and value.isprintable() and not {" ", ";"} & set(value)
    ):
        raise InvalidValueError("a path of printable ASCII characters without spaces and semicolons")
    return value


def _secret(value: object) -> Secret:
    """Only what comes from outside: the file itself is copied, shown and kept in version control."""
    if not isinstance(value, Interpolated):
        raise InvalidValueError('a secret from outside the file: "${env:NAME}" or "${file:/path}"')
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise InvalidValueError(f"a secret of at least {MIN_SECRET_BYTES} bytes")
    return Secret(value)


def _password(value: object) -> Secret:
    """Only what comes from outside; of any length, for others have set it."""
    if not isinstance(value, Interpolated) or not value:
        raise InvalidValueError('a password from outside the file: "${env:NAME}" or "${file:/path}"')
    return Secret(value)


def _user_name(value: str) -> str:
    if not (0 < len(value) <= MAX_LABEL_CHARACTERS and value.isprintable() and " " not in value):
        raise InvalidValueError(f"a name of at most {MAX_LABEL_CHARACTERS} printable characters, no spaces")
    return value


def _file_path(value: str) -> str:
    if not value.startswith("/") or value.endswith("/") or not value.isprintable():
        raise InvalidValueError("the absolute path of a file")
    return value


def _key_prefix(value: str) -> str:
    if not (_is_printable_ascii(value) and len(value) <= MAX_NAME_CHARACTERS and not {"{", "}"} & set(value)):
        raise InvalidValueError(
            f"a text of at most {MAX_NAME_CHARACTERS} printable ASCII characters without spaces and braces"
        )
    return value


def _is_printable_ascii(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value


def _is_token(value: str) -> bool:
    return value != "" and _TOKEN.issuperset(value)


def is_file_pattern(value: object) -> bool:
    """May files be looked for by it?"""
    return isinstance(value, str) and value != "" and value.isprintable()


def _file_pattern(value: str) -> str:
    if not is_file_pattern(value):
        raise InvalidValueError('a pattern of files, such as "routes/*.toml"')
    return value


def _page(value: str) -> str:
    if len(value.encode()) > MAX_PAGE_BYTES:
        raise InvalidValueError(f"a text of at most {MAX_PAGE_BYTES // 1024} KiB")
    return value


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise InvalidValueError('a media type, such as "text/html; charset=utf-8"')
    return value


def _name(value: str) -> str:
    """A name that stands bare in paths, metrics and command lines."""
    first, allowed = value[:1], value.replace("-", "").replace("_", "").replace(".", "")
    if not (value.isascii() and first.isalnum() and allowed.isalnum() and len(value) <= MAX_NAME_CHARACTERS):
        raise InvalidValueError(
            f'a name of at most {MAX_NAME_CHARACTERS} ASCII letters, digits, "-", "_" and ".", a letter or digit first'
        )
    return value


def _route_name(value: str) -> str:
    fits = 0 < len(value) <= MAX_ROUTE_NAME_CHARACTERS and value == value.strip()
    if not (fits and value.isascii() and value.isprintable() and not {'"', "\\"} & set(value)):
        raise InvalidValueError(
            f"a name of at most {MAX_ROUTE_NAME_CHARACTERS} printable ASCII characters without quotes and backslashes"
        )
    return value


def _access_log(value: str) -> str:
    if value in (ACCESS_LOG_OFF, ACCESS_LOG_STDOUT):
        return value
    if not value.startswith("/") or value.endswith("/") or not value.isprintable():
        words = (ACCESS_LOG_OFF, ACCESS_LOG_STDOUT)
        raise InvalidValueError(
            f'"{ACCESS_LOG_OFF}", "{ACCESS_LOG_STDOUT}" or the absolute path of a file',
            did_you_mean(value, words),
        )
    return value


MinRate = Annotated[
    Throughput,
    text(
        _throughput,
        '"off", or a size per second, such as "500B/s"',
        {"pattern": r"^(off|[0-9]+(\.[0-9]+)?([KMG]i?)?B/s)$"},
    ),
]
Workers = Annotated[
    int | Literal["auto"],
    Reads(
        _workers, {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": MAX_WORKERS}]}
    ),
]
Choices = Annotated[
    int | Literal["all"],
    Reads(
        _choices,
        {"anyOf": [{"const": CHOICES_ALL}, {"type": "integer", "minimum": 2, "maximum": MAX_CHOICES}]},
    ),
]
Label = Annotated[str, text(_label, "a text")]
Panic = Annotated[Share, text(_panic, 'a share, such as "50%", or "0%"', {"pattern": "^[0-9]{1,3}%$"})]
Flag = Annotated[bool, Reads(_flag, {"type": "boolean"})]
AccessLog = Annotated[
    str,
    text(
        _access_log,
        f'"{ACCESS_LOG_OFF}", "{ACCESS_LOG_STDOUT}" or a path',
        {"anyOf": [{"enum": [ACCESS_LOG_OFF, ACCESS_LOG_STDOUT]}, {"pattern": "^/"}]},
    ),
]
AdminAddress = Annotated[ListenAddress, text(_admin_address, 'an address, such as "127.0.0.1:9901"')]
Listening = Annotated[ListenAddress, text(ListenAddress.parse, 'an address, such as "0.0.0.0:8080"')]
Upstream = Annotated[InstanceAddress, text(InstanceAddress.parse, 'an address, such as "10.0.0.1:9000"')]
Proxy = Annotated[Network, text(read_network, NETWORK_FORMS)]
Name = Annotated[str, text(_name, "a name")]
RouteName = Annotated[str, text(_route_name, "a name")]
Host = Annotated[str, text(read_host, 'a host name, such as "api.example.com"')]
_REGEX_SCHEMA: JsonSchemaValue = {
    "type": "object",
    "properties": {"regex": {"type": "string"}},
    "required": ["regex"],
    "additionalProperties": False,
}
_TEST_SCHEMA: JsonSchemaValue = {"anyOf": [{"type": "string"}, {"type": "boolean"}, _REGEX_SCHEMA]}
Path = Annotated[
    str | Pattern,
    Reads(read_path_or_pattern, {"anyOf": [{"type": "string"}, _REGEX_SCHEMA]}, write_pattern),
]
TestedFieldName = Annotated[str, text(read_tested_field_name, "the name of a header field")]
FieldTest = Annotated[Test, Reads(read_field_test, _TEST_SCHEMA, write_test)]
TestedCookieName = Annotated[str, text(read_tested_cookie_name, "the name of a cookie")]
CookieTest = Annotated[Test, Reads(read_cookie_test, _TEST_SCHEMA, write_test)]
ParameterName = Annotated[str, text(read_parameter_name, "the name of a query parameter")]
ParameterTest = Annotated[Test, Reads(read_parameter_test, _TEST_SCHEMA, write_test)]
FilePattern = Annotated[str, text(_file_pattern, 'a pattern of files, such as "routes/*.toml"')]
FieldName = Annotated[str, text(read_field_name, "the name of a header field")]
FieldValue = Annotated[str, text(read_field_value, "the value of a header field")]
RewritePath = Annotated[str, text(read_rewrite_path, 'a path, such as "/v1"')]
Authority = Annotated[str, text(read_authority, 'a host, such as "api.internal"')]
BareHost = Annotated[str, text(read_bare_host, 'a host, such as "www.example.com"')]
RedirectStatus = Annotated[int, Reads(_redirect_status, {"enum": list(REDIRECT_STATUSES)})]
PageBody = Annotated[str, text(_page, "a text")]
MediaType = Annotated[str, text(_media_type, "a media type")]
HashKey = Annotated[
    str,
    text(
        _hash_key,
        HASH_KEY_FORMS,
        {"pattern": "^(client_ip(/[0-9]{1,2}/[0-9]{1,3})?|path|host|(header|cookie|query):.+)$"},
    ),
]
NamingPart = Annotated[str, text(_naming_part, NAMING_FORMS, {"pattern": "^(header|cookie|query):.+$"})]
LoadBound = Annotated[
    Multiple, text(Multiple.parse, 'a multiple, such as "125%"', {"pattern": "^[0-9]{3,4}%$"})
]
CookieName = Annotated[str, text(_cookie_name, "the name of a cookie")]
CookiePath = Annotated[str, text(_cookie_path, 'a path, such as "/"')]
CookieSecret = Annotated[Secret, Reads(_secret, _REFERENCE)]
Password = Annotated[Secret, Reads(_password, _REFERENCE)]
UserName = Annotated[str, text(_user_name, "a name")]
FilePath = Annotated[str, text(_file_path, "the absolute path of a file", {"pattern": "^/"})]
KeyPrefix = Annotated[str, text(_key_prefix, "a text")]
ErrorStatus = Annotated[str, choice(*map(str, ERROR_STATUSES))]
ProbeTarget = Annotated[str, text(read_probe_target, 'a path, such as "/healthz"')]
Method = Annotated[str, text(read_method, "a request method, such as GET", {"enum": sorted(METHODS)})]
KeyPart = Annotated[
    str,
    text(
        read_key_part,
        KEY_FORMS,
        {
            "anyOf": [
                {"enum": [CLIENT_IP, "path", "host", "route", "service"]},
                {"pattern": "^(client_ip/[0-9]{1,2}/[0-9]{1,3}|(header|cookie|query):.+)$"},
            ]
        },
    ),
]
RequestCost = Annotated[
    Cost,
    Reads(
        read_cost,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_COST},
                {
                    "type": "object",
                    "properties": {"response_header": {"type": "string"}},
                    "required": ["response_header"],
                    "additionalProperties": False,
                },
            ]
        },
        write_cost,
    ),
]
MaxShare = Annotated[Share, text(Share.parse, 'a share, such as "50%"', {"pattern": "^[0-9]{1,3}%$"})]
LimitRate = Annotated[Rate, text(Rate.parse, 'a rate, such as "100/s"', {"pattern": "^[0-9]+/(s|m|h)$"})]
