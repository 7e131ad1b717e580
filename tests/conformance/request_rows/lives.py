"""Rows about connections: pipelines, ends, expectations, upgrades."""

from collections.abc import Iterator

from tests.conformance.request_rows.form import (
    CHUNKED,
    Forwarded,
    Refused,
    Row,
    get,
    post,
    refused,
    row,
)


def rows() -> Iterator[Row]:
    """All of them."""
    ten = b"".join(
        get(target=b"/%d" % number)
        if number % 2
        else post(b"Content-Length: 5\r\n").replace(b"/ ", b"/%d " % number)
        for number in range(10)
    )
    expected = (
        Forwarded(
            f"{'GET' if number % 2 else 'POST'} /{number} HTTP/1.1", {}, b"" if number % 2 else b"hello"
        )
        for number in range(10)
    )
    yield row("L01", "ten requests", ten, *expected)
    yield row(
        "L01",
        "a fault behind a request",
        post(CHUNKED, b"0\r\n\r\n") + b"BAD\r\n\r\n" + get(),
        Forwarded("POST / HTTP/1.1"),
        Refused(),
    )
    yield row("L02", "the client closes", get(b"Connection: close\r\n"), Forwarded(closes=True))
    yield row(
        "L02", "the client closes, among others", get(b"Connection: x, CLOSE ,y\r\n"), Forwarded(closes=True)
    )
    yield row(
        "L02",
        "1.0 closes",
        get(version=b"1.0"),
        Forwarded(fields={"via": ["1.0 headgate"]}, closes=True),
    )
    yield row(
        "L02",
        "1.0 stays when it says so",
        get(b"Connection: Keep-Alive\r\n", version=b"1.0"),
        Forwarded(fields={"via": ["1.0 headgate"]}),
    )
    yield row(
        "L06",
        "an expectation",
        post(b"Expect: 100-Continue\r\nContent-Length: 5\r\n"),
        Forwarded("POST / HTTP/1.1", {"expect": ["100-continue"]}, b"hello"),
    )
    yield row(
        "L06",
        "an expectation in 1.0",
        post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", version=b"1.0"),
        Forwarded("POST / HTTP/1.1", {"expect": []}, b"hello", closes=True),
    )
    yield from refused(
        "L06",
        "another expectation",
        *(
            post(b"Expect: %b\r\nContent-Length: 5\r\n" % it)
            for it in (b"tea", b"", b"100-continue, tea", b"100")
        ),
        status=417,
    )
    h2c = get(
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    )
    yield row(
        "W03",
        "an upgrade to HTTP/2",
        h2c,
        Forwarded(fields={"upgrade": [], "connection": [], "http2-settings": []}),
    )
    yield row(
        "W03",
        "HTTP/2 among others",
        get(b"Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n"),
        Forwarded(fields={"upgrade": [], "connection": []}),
    )
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    yield row("W04", "an upgrade with a body", post(upgrade + b"Content-Length: 5\r\n"), Refused(400))
    yield row("W04", "an upgrade with chunks", post(upgrade + CHUNKED, b"0\r\n\r\n"), Refused(400))
    yield from refused(
        "W06",
        "CONNECT",
        b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:443 HTTP/1.0\r\nHost: a:443\r\n\r\nhello",
        status=405,
    )
