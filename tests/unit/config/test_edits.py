"""Fields, values, paths and hosts of a route's changes: what a file may write, the same that the engine takes."""

from typing import Any

import pytest

from gateway.config.edits import (
    MANAGED_FIELDS,
    MANAGED_REQUEST_FIELDS,
    VARIABLES,
    is_managed,
    read_authority,
    read_field_name,
    read_field_value,
    read_rewrite_path,
)
from gateway.errors import InvalidValueError
from gateway.state.control import Snapshot
from tests.unit.worker.stage import Stage

NAMES = (
    "X-Team", "x_team", "Accept", "Cookie", "Authorization", "Server", "Set-Cookie", "Content-Type", "X-Forwarded-",
    "!#$%&'*+.^`|~",
)  # fmt: skip
NO_NAMES = ("", "a b", "a:", "\u00e4", "a\r\nb", "a/b", "a,b")
VALUES = (
    "1",
    "a b",
    "{{",
    "}}",
    "{{x}}",
    *(f"{{{name}}}" for name in VARIABLES),
    "a{host}b{path}",
    "{{{host}}}",
    "~",
)
NO_VALUES = (
    " a",
    "a ",
    "a\tb",
    "a\r\nX: 1",
    "\u00e4",
    "\0",
    "\x7f",
    "{",
    "}",
    "{host",
    "host}",
    "{}",
    "{query}",
    "{Host}",
)
PATHS = ("/", "/a", "/a/", "/a/b", "/%20", "/~a;b=1")
NO_PATHS = (
    "",
    "a",
    "/a?b",
    "/a#b",
    "/a/*",
    "*",
    "/a//b",
    "/a/../b",
    "/%2f",
    "/%2F",
    "/%5C",
    "/%00",
    "/%41",
    "/a b",
    "/\u00e4",
)
HOSTS = ("a", "A.example", "a.example:8080", "10.0.0.1", "10.0.0.1:1", "[2001:db8::1]", "[2001:db8::1]:65535")
NO_HOSTS = ("", "a/b", "u@a", "a b", "a:65536", "a:x", ":80", "[::1", "a\r\nb")


def _engine_takes(edits: dict[str, Any]) -> bool:
    try:
        Snapshot.compile(Stage(route={"edits": edits})._snapshot())
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_one_for_the_engine(name: str) -> None:
    """What the file may have, the engine takes, in both directions."""
    assert read_field_name(name) == name
    assert not is_managed(name, of_request=True)
    assert not is_managed(name, of_request=False)
    assert _engine_takes({"request": {"remove": [name]}, "response": {"set": [[name, "1"]]}})


@pytest.mark.parametrize("name", NO_NAMES)
async def test_what_is_no_name_is_none_for_the_engine(name: str) -> None:
    """It is a mistake here, before the engine sees it."""
    with pytest.raises(InvalidValueError, match="the name of a header field"):
        read_field_name(name)
    assert not _engine_takes({"request": {"remove": [name]}})


@pytest.mark.parametrize("of_request", [True, False])
@pytest.mark.parametrize(
    "name",
    sorted({*MANAGED_FIELDS, *MANAGED_REQUEST_FIELDS, "x-forwarded-for", "x-forwarded-anything", *NAMES}),
)
async def test_both_know_the_fields_of_the_gateway(name: str, *, of_request: bool) -> None:
    """What one of them would refuse, the other does; and so with underscores for dashes."""
    direction = "request" if of_request else "response"
    for spelling in (name, name.upper(), name.replace("-", "_")):
        takes = _engine_takes({direction: {"add": [[spelling, "1"]]}})
        assert is_managed(spelling, of_request=of_request) is not takes, spelling


@pytest.mark.parametrize("value", VALUES)
async def test_a_value_is_one_for_the_engine(value: str) -> None:
    """Every variable is known to both."""
    assert read_field_value(value) == value
    assert _engine_takes({"request": {"set": [["X-A", value]]}})


@pytest.mark.parametrize("value", NO_VALUES)
async def test_what_is_no_value_is_none_for_the_engine(value: str) -> None:
    """Nothing that a line could end with, and no brace without its other half."""
    with pytest.raises(InvalidValueError):
        read_field_value(value)
    assert not _engine_takes({"request": {"set": [["X-A", value]]}})


def test_a_misspelt_variable_is_corrected() -> None:
    """The mistake names what there is."""
    with pytest.raises(InvalidValueError, match=r"\{client_ip\}") as caught:
        read_field_value("{client_id}")
    assert caught.value.hint == 'did you mean "client_ip"?'


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_is_one_for_the_engine(path: str) -> None:
    """A canonical path, which stays one when the rest of a request's is put behind it."""
    assert read_rewrite_path(path) == path
    for form in ("whole", "prefix"):
        assert _engine_takes({"rewrite": {"path": {form: path}}})


@pytest.mark.parametrize("path", NO_PATHS)
async def test_what_is_no_canonical_path_is_none_for_the_engine(path: str) -> None:
    """Neither a pattern, nor a query, nor what readers resolve differently."""
    with pytest.raises(InvalidValueError):
        read_rewrite_path(path)
    assert path.endswith("*") or not _engine_takes({"rewrite": {"path": {"whole": path}}})


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_is_one_for_the_engine(host: str) -> None:
    """With a port or without."""
    assert read_authority(host) == host
    assert _engine_takes({"rewrite": {"host": host}})


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_what_is_no_host_is_none_for_the_engine(host: str) -> None:
    """Nothing that leads out of its line, or names a user."""
    with pytest.raises(InvalidValueError, match="a host"):
        read_authority(host)
    assert not _engine_takes({"rewrite": {"host": host}})
