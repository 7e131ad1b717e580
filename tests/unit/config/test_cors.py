"""How origins are written, and that the engine takes every one that the file may have."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.compile import compile_snapshot
from gateway.config.cors import is_below, read_origin
from gateway.config.load import parse
from gateway.errors import InvalidValueError, Mistake
from gateway.state.judgement import Judge
from gateway.supervisor.rows import Rows
from tests.helpers import configuration


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://App.Example.COM:443", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://*.Example.com:8443", "https://*.example.com:8443"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("capacitor://localhost:443", "capacitor://localhost:443"),
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(text: str, origin: str) -> None:
    """In lower case, and without the port of its scheme."""
    assert read_origin(text) == read_origin(origin) == origin


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("example.com", "begins with its scheme"),
        ("https:example.com", "begins with its scheme"),
        ("https://example.com/", "ends with its host and port"),
        ("https://example.com:1/a", "ends with its host and port"),
        ("https://example.com#a", "ends with its host and port"),
        ("https://me@example.com", "no user"),
        ("https://me:1@example.com", "no user"),
        ("https://*", '"*" alone'),
        ("https://exämple.com", "xn--"),
        ("https://example.com:0", "1 to 65535"),
        ("https://example.com:", "1 to 65535"),
        ("https://example.com:0443", "1 to 65535"),
        ("https://a.*.com", ""),
        ("https://*.*.com", ""),
        ("https://*.[::1]", ""),
        ("https://[::1%eth0]", ""),
        ("https://", ""),
        ("://example.com", ""),
        ("https://a..b", ""),
        ("https://example.com\r\nX: 1", ""),
        ("Null", ""),
    ],
)
def test_what_is_no_origin_is_refused(text: str, hint: str) -> None:
    """With what is wrong about it, where that can be told."""
    with pytest.raises(InvalidValueError, match="an origin") as caught:
        read_origin(text)
    assert hint in caught.value.hint or "begins with its scheme" in caught.value.hint


def test_what_is_below_a_domain() -> None:
    """Hosts with a label before it, by the same scheme and port, and patterns of such."""
    pattern = "https://*.example.com"
    assert is_below("https://a.example.com", pattern)
    assert is_below("https://*.a.example.com", pattern)
    for other in ("https://example.com", "https://bexample.com", "http://a.example.com", pattern, "null"):
        assert not is_below(other, pattern)
    assert not is_below("https://a.example.com:8443", pattern)
    assert not is_below("https://a.example.com", "https://a.example.com")


def judge(origins: list[str]) -> Judge:
    """The engine's judgement of a configuration whose route allows these origins."""
    route = f"cors = {{ origins = {orjson.dumps(origins).decode()} }}"
    config = parse(configuration("127.0.0.1:9", route=route), "g", {})
    return Judge(compile_snapshot(config, 1, Rows.fresh(services=9, series=9, limits=9))[1])


def allows(judged: Judge, origin: str) -> bool:
    """May a page of this origin read answers?"""
    told = judged.explain(f"GET / HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\r\n".encode(), 0, "127.0.0.1")
    assert told.cross_origin is not None
    return told.cross_origin.allowed


SCHEMES = st.sampled_from(["http", "https", "HTTPS", "app+x", "chrome-extension"])
HOSTS = st.one_of(
    st.from_regex(r"[A-Za-z0-9-]{1,4}(\.[A-Za-z0-9-]{1,4}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
PORTS = st.one_of(st.just(""), st.integers(0, 70_000).map(lambda port: f":{port}"))


@given(SCHEMES, st.sampled_from(["", "", "*."]), HOSTS, PORTS)
def test_the_engine_takes_what_the_file_may_have(scheme: str, below: str, host: str, port: str) -> None:
    """Whatever is read as an origin is one to the engine, which allows it and, of a pattern, what is below alone."""
    try:
        origin = read_origin(f"{scheme}://{below}{host}{port}")
    except InvalidValueError:
        return
    judged = judge([origin])
    assert allows(judged, origin.replace("*.", "a.b."))
    assert allows(judged, origin.upper().replace("*.", "A."))
    assert allows(judged, origin.replace("*.", "")) == (not below)
    assert not allows(judged, f"{origin}.evil.org".replace("*.", "a."))


def test_what_is_hardly_meant_is_told_and_taken() -> None:
    """An origin that anybody can have, and conditions that no preflight meets, each with its place."""
    route = (
        'headers = { X-Version = "2", X-Old = false }\ncookies = { tester = true }\n'
        'cors = { origins = ["https://a.example", "null"] }'
    )
    doubts: list[Mistake] = []
    text = configuration(
        "127.0.0.1:9", route=route, routes=('path = "/no"\nheaders = { X = "1" }\nservice = "api"',)
    )
    parse(text, "g", {}, heed=doubts.append)
    assert [(doubt.path, doubt.message.split(":")[0]) for doubt in doubts] == [
        (
            "routes[1].cors.origins[1]",
            "every page of every origin can be one that has none, in a sandbox for instance",
        ),
        ("routes[1].headers.X-Version", "no preflight has it"),
        ("routes[1].cookies.tester", "no preflight has it"),
    ]
    shown = [doubt.headline("g") for doubt in doubts]
    assert all(
        line.startswith(f"g:{doubt.place.line}:")
        for line, doubt in zip(shown, doubts, strict=True)
        if doubt.place
    )
    assert all(doubt.place is not None for doubt in doubts)
