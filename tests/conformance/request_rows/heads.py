"""Rows about lines and fields: what is a head, and where one begins."""

from collections.abc import Iterator

from tests.conformance.request_rows.form import (
    A,
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
    yield from refused(
        "F16", "a bare LF", b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n", b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        get(b"X: y\n"), b"GET / HTTP/1.1\r\nHost: a\r\n\n", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    )  # fmt: skip
    yield from refused(
        "F17", "a bare CR", b"GET / HTTP/1.1\rHost: a\r\n\r\n", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", get(b"X: a\rb\r\n"), get(b"X\r: a\r\n"),
        get(b"X: a\r\r\n"), b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    )  # fmt: skip
    controls = [byte for byte in range(0x20) if byte not in b"\t\n\r"] + [0x7F]
    yield from refused("F18", "a control byte in a value", *(get(b"X: a%cb\r\n" % byte) for byte in controls))
    yield from refused(
        "F19", "white space before the colon", get(b"X : y\r\n"), get(b"X\t: y\r\n"), get(b"X \t : y\r\n")
    )
    yield from refused(
        "F20",
        "a fold",
        get(b"X: y\r\n z\r\n"),
        get(b"X: y\r\n\tz\r\n"),
        get(b"X:\r\n y\r\n"),
        get(b"X: y\r\n \r\n"),
    )
    yield from refused(
        "F21", "no field line", get(b" X: y\r\n", host=b"") + A, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", get(b"X\r\n"), get(b": y\r\n"), get(b"X@: y\r\n"),
        get(b"(X): y\r\n"), get(b"X\xc3\xa4: y\r\n"), get(b'"X": y\r\n'), get(b"\x00: y\r\n"), get(b"X/Y: z\r\n"),
    )  # fmt: skip
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"FOO"):
        line = f"{method.decode()} / HTTP/1.1"
        raw = b"%b / HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % (method, A)
        yield row(
            "F22", f"{method.decode()} with a body", raw, Forwarded(line, {"content-length": ["5"]}, b"hello")
        )
    yield row("F23", "garbage behind a request", get() + b"GARBAGE\r\n\r\n", Forwarded(), Refused())
    yield row("F23", "a body that nobody announced", get() + b"hello\r\n" + get(), Forwarded(), Refused())
    yield row(
        "F23",
        "more than was announced",
        post(b"Content-Length: 4\r\n") + b"\r\n\r\n",
        Forwarded("POST / HTTP/1.1", {}, b"hell"),
        Refused(),
    )
    yield row("F24", "one empty line", b"\r\n" + get(), Forwarded())
    yield row("F24", "four empty lines", b"\r\n" * 4 + get(), Forwarded())
    yield row("F24", "an empty line between two", get() + b"\r\n" + get(), Forwarded(), Forwarded())
    yield from refused("F24", "five empty lines", b"\r\n" * 5 + get())
