"""Hosts, paths and methods of routes, and the targets of probes."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.matching import METHODS, match_name, read_host, read_method, read_path, read_probe_target
from gateway.errors import InvalidValueError

LETTERS_DIGITS = set(string.ascii_letters + string.digits)
SEGMENT = LETTERS_DIGITS | set("-._~!$&'()+,;=:@")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("*.Example.com", "*.example.com"),
        ("*.com", "*.com"),
        ("localhost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    """A host is a name in any case, a wildcard for the labels on the left, or an address as clients write it."""
    assert read_host(text) == host


@pytest.mark.parametrize(
    "text",
    ["", "*", "**.a", "a.*", "a.*.b", "*a.b", "*.", "*.*.a", "a:80", "http://a", "a/b", "a.", ".a", "bücher.de", "\u017f.de",
     "*.10.0.0.1", "10.0.0.256", "[::1", "[::0]", "[::1%1]", "*.[::1]", "a b"],
)  # fmt: skip
def test_what_is_no_host(text: str) -> None:
    """A port, a scheme, a wildcard elsewhere and other alphabets are refused."""
    with pytest.raises(InvalidValueError):
        read_host(text)


@pytest.mark.parametrize(
    "path", ["/", "/*", "/v1", "/v1/", "/v1/*", "/a/.../b", "/a.b/*", "/%20a", "/~user/a:b@c;d=1,2"]
)
def test_paths(path: str) -> None:
    """A path is kept as written."""
    assert read_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "*", "v1", "v1/*", "/v1*", "/*/a", "/a/*/*", "/**", "//", "/a//b", "//*", "/a//*", "/a?b", "/a#b", "/a b", "/é",
     "/.", "/..", "/a/./b", "/a/../b", "/a/..", "/./*", "/%2e", "/%2E%2e/a", "/.%2e", "/%", "/%2", "/%zz", "/a\\b", "/a\n",
     "/\0", "/{id}", '/"', "/" + "a" * 1024],
)  # fmt: skip
def test_what_is_no_path(path: str) -> None:
    """Empty and dot segments, queries, fragments, and a * anywhere but at the end are refused."""
    with pytest.raises(InvalidValueError):
        read_path(path)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [("/%7euser/*", "/~user/*"), ("/a%2fb", "/a%2Fb"), ("/%61", "/a"), ("/%c3%A4", "/%C3%A4")],
)
def test_a_path_has_one_spelling(path: str, canonical: str) -> None:
    """Requests are matched by their canonical path, so a route says no other, and the report says which it is."""
    with pytest.raises(InvalidValueError) as caught:
        read_path(path)
    assert caught.value.hint == f'write "{canonical}"'
    assert read_path(canonical) == canonical


@pytest.mark.parametrize(
    ("read", "form", "accepted"),
    [
        (read_path, "/a{}b", SEGMENT | {"/"}),
        (read_path, "/a/{}", SEGMENT - {"."} | {"*"}),
        (read_path, "/a/x{}/*", SEGMENT),
        (read_path, "{}", {"/"}),
        (read_path, "/%2{}", set("0123456789ABCF")),
        (read_host, "a{}b", LETTERS_DIGITS | set("-_.")),
        (read_host, "{}.b", LETTERS_DIGITS | {"_", "*"}),
        (read_probe_target, "/a{}b", {chr(code) for code in range(0x21, 0x7F)} - {"#"}),
        (read_probe_target, "{}", {"/"}),
        (read_method, "GE{}", {"T"}),
    ],
)
def test_every_character_in_every_place(read: Callable[[str], object], form: str, accepted: set[str]) -> None:
    """Of all 256 byte values exactly the expected ones are accepted."""
    seen = set()
    for char in map(chr, range(256)):
        try:
            read(form.format(char))
        except InvalidValueError:
            continue
        seen.add(char)
    assert seen == accepted


@given(st.text(max_size=30))
def test_readers_raise_nothing_but_their_error(text: str) -> None:
    """Any text at all is read, into what is read again as the same, or refused."""
    for read in (read_host, read_path, read_method, read_probe_target):
        try:
            value = read(text)
        except InvalidValueError:
            continue
        assert read(value) == value


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("get", 'did you mean "GET"?'),
        ("PSOT", 'did you mean "POST"?'),
        ("CONNECT", ""),
        ("", ""),
        ("é" * 9, ""),
    ],
)
def test_a_method_that_is_nearly_right_gets_a_hint(text: str, hint: str) -> None:
    """Methods are case-sensitive, and a misspelt one is noticed."""
    assert text not in METHODS
    with pytest.raises(InvalidValueError) as caught:
        read_method(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("host", "path", "methods", "name"),
    [
        (None, None, (), "*"),
        ("a.b", None, (), "a.b"),
        (None, "/v1/*", (), "/v1/*"),
        ("a.b", "/v1", (), "a.b/v1"),
        (None, None, ("GET",), "GET *"),
        ("*.b", "/v1", ("POST", "GET"), "GET,POST *.b/v1"),
    ],
)
def test_a_route_is_named_by_its_match(
    host: str | None, path: str | None, methods: tuple[str, ...], name: str
) -> None:
    """The name does not depend on the order of the methods, so that it stays through edits."""
    assert match_name(host, path, methods) == name
