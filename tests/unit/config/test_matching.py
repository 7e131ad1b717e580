"""Hosts, paths, methods and tests of routes, the names made from them, and the targets of probes."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.interpolate import Interpolated
from gateway.config.matching import (
    METHODS,
    Match,
    Pattern,
    match_name,
    read_cookie_test,
    read_field_test,
    read_host,
    read_method,
    read_parameter_name,
    read_parameter_test,
    read_path,
    read_path_or_pattern,
    read_probe_target,
    read_tested_cookie_name,
    read_tested_field_name,
)
from gateway.config.networks import read_network
from gateway.errors import InvalidValueError
from gateway.model import ListenAddress

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
    ("match", "name"),
    [
        (Match(), "*"),
        (Match("a.b"), "a.b"),
        (Match(path="/v1/*"), "/v1/*"),
        (Match("a.b", "/v1"), "a.b/v1"),
        (Match(methods=("GET",)), "GET *"),
        (Match("*.b", "/v1", ("POST", "GET")), "GET,POST *.b/v1"),
        (Match("a.b", Pattern(r"/x/\d+")), "a.b~/x/%5Cd+"),
        (
            Match(headers={"X_Version": "two", "beta": True, "old": False, "agent": Pattern(".* x")}),
            "* header:agent~.*%20x header:beta !header:old header:x-version=two",
        ),
        (Match(cookies={"A": 'q"é'}, query={"x_y": ""}), "* cookie:A=q%22%C3%A9 query:x_y="),
        (
            Match(
                clients=(read_network("::1"), read_network("10.0.0.0/8")),
                listeners=(ListenAddress.parse("127.0.0.1:80"),),
            ),
            "* client:10.0.0.0/8,::1/128 listener:127.0.0.1:80",
        ),
        (Match(headers={"token": Interpolated("hunter2")}), "* header:token="),
        (Match(path=Pattern(Interpolated("hunter2"))), "~"),
    ],
)
def test_a_route_is_named_by_its_match(match: Match, name: str) -> None:
    """The name does not depend on the order of what is listed, so that it stays through edits, and tells no secret."""
    assert match_name(match) == name


def test_a_long_name_is_cut_and_stays_unique() -> None:
    """It can stand in a file, which no longer one may."""
    one, other = (match_name(Match(path=f"/{'a' * 500}/{end}")) for end in "xy")
    assert len(one) == len(other) == 128
    assert one != other
    assert one.startswith("/aaaa")
    assert match_name(Match(path="/" + "a" * 127)) == "/" + "a" * 127


@pytest.mark.parametrize("read", [read_field_test, read_cookie_test, read_parameter_test])
def test_tests_are_texts_switches_and_expressions(read: Callable[[object], object]) -> None:
    """Every kind of name is asked for in the same forms."""
    assert (read("two"), read(True), read(False), read("")) == ("two", True, False, "")
    assert read({"regex": "a|b"}) == Pattern("a|b")
    for wrong in (1, None, ["a"], {}, {"regex": 1}, {"regex": "a", "x": 1}, {"prefix": "a"}, "x" * 1025):
        with pytest.raises(InvalidValueError):
            read(wrong)


def test_a_wrong_expression_is_explained() -> None:
    """The engine says what is wrong with it, and quotes nothing."""
    for regex, hint in (
        ("a(b", "unclosed group"),
        ("", "it is empty"),
        (r"(a)\1", "backreferences are not supported"),
    ):
        with pytest.raises(InvalidValueError) as caught:
            read_path_or_pattern({"regex": regex})
        assert caught.value.hint == hint


def test_values_that_no_request_has_are_refused() -> None:
    """Control characters, white space around fields, separators of cookies."""
    for value in (" a", "a\t", "a\nb", "a\x00", "a\x7f"):
        with pytest.raises(InvalidValueError):
            read_field_test(value)
    for value in ("a b", "a;b", "a,b", "a\nb"):
        with pytest.raises(InvalidValueError):
            read_cookie_test(value)
    assert (read_field_test("a b\té"), read_parameter_test(" \n")) == ("a b\té", " \n")


def test_names_that_can_be_asked_for() -> None:
    """Tokens; the host and the cookies have keys of their own."""
    assert (
        read_tested_field_name("X-Version"),
        read_tested_cookie_name("a.b"),
        read_parameter_name("a b[]"),
    ) == (
        "X-Version",
        "a.b",
        "a b[]",
    )
    for read, wrong in (
        (read_tested_field_name, ("", "a b", "a:", "é", "Host", "COOKIE", "x" * 129)),
        (read_tested_cookie_name, ("", "a=b", "a;", "x" * 129)),
        (read_parameter_name, ("", "x" * 129)),
    ):
        for name in wrong:
            with pytest.raises(InvalidValueError):
                read(name)
