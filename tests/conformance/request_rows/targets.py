"""Rows about request lines: hosts, targets, methods, versions."""

from collections.abc import Iterator

from tests.conformance.request_rows.form import (
    A,
    Answered,
    Forwarded,
    Row,
    get,
    refused,
    row,
)


def rows() -> Iterator[Row]:
    """All of them."""
    yield from _hosts()
    yield from _targets()
    yield from _methods()


def _hosts() -> Iterator[Row]:
    yield from refused(
        "T01",
        "not one Host",
        get(host=b""),
        get(host=A * 2),
        get(host=A + b"Host: b\r\n"),
        get(host=A + b"hOST: a\r\n"),
    )
    wrong = [b"a b", b"a/b", b"u@a", b"a:99999", b"a:65536", b"[::1", b"[::1]x", b"[::1]:x", b"::1", b"a:1:2", b"a:-1", b"a,b c", b"a%2eb", b"[]",
             b"[fe80::1%25eth0]", b"[v1.x]", b":80", b"a\\b", b"a?b", b"a#b", b"\xc3\xa4", b"a\x00b", b"http://a"]  # fmt: skip
    yield from refused("T01", "no host", *(get(host=b"Host: %b\r\n" % host) for host in wrong))
    for host in ("a:65535", "[::1]:80", "a.", "A", "10.0.0.1", "a:"):
        fields = {"host": [host], "x-forwarded-host": [host]}
        yield row("T01", f"the host {host}", get(host=f"Host: {host}\r\n".encode()), Forwarded(fields=fields))
    target = Forwarded("GET /p?q HTTP/1.1", {"host": ["b:8"], "x-forwarded-host": ["b:8"]})
    yield row("T02", "the target names another host", get(target=b"http://b:8/p?q"), target)
    yield row("T02", "no path", get(target=b"HTTP://b?q"), Forwarded("GET /?q HTTP/1.1", {"host": ["b"]}))
    yield from refused(
        "T02", "no authority", get(target=b"http:///p"), get(target=b"http://u@b/"), get(target=b"http://b:99999/"), get(target=b"http://b", host=b""),
        get(target=b"ftp://b/"), get(target=b"http:/b"),
    )  # fmt: skip


def _targets() -> Iterator[Row]:
    yield from refused(
        "T03",
        "an asterisk",
        get(target=b"*"),
        get(target=b"*/x"),
        b"OPTIONS */x HTTP/1.1\r\n" + A + b"\r\n",
        b"OPTIONS ** HTTP/1.1\r\n" + A + b"\r\n",
    )
    yield row(
        "T03", "all of the server", b"OPTIONS * HTTP/1.1\r\n" + A + b"\r\n", Forwarded("OPTIONS * HTTP/1.1")
    )
    yield row(
        "T03",
        "all of another",
        b"OPTIONS http://b HTTP/1.1\r\n" + A + b"\r\n",
        Forwarded("OPTIONS * HTTP/1.1", {"host": ["b"]}),
    )
    yield from refused(
        "T04",
        "no path",
        get(target=b"a:80"),
        get(target=b"admin/a"),
        get(target=b"?q"),
        get(target=b"//".replace(b"/", b"\\")),
        get(target=b"%2F"),
    )
    wrong = [byte for byte in range(256) if not 0x21 <= byte <= 0x7E or byte == 0x23]
    yield from refused("T05", "a byte in the query", *(get(target=b"/?a%cb" % byte) for byte in wrong))
    yield from refused("T05", "a byte in the path", *(get(target=b"/a%cb" % byte) for byte in (*wrong, 0x5C)))
    for path, canonical in [
        ("//", "/"), ("/a//b///", "/a/b/"), ("/./a/./", "/a/"), ("/a/../b", "/b"), ("/..", "/"), ("/../../a", "/a"), ("/a/b/..", "/a/"),
        ("/%2e%2E/a/%2e", "/a/"), ("/a/.%2e/b", "/b"), ("/%61%7e", "/a~"), ("/%c3%a4", "/%C3%A4"), ("/a|b", "/a%7Cb"), ("/%252e", "/%252e"),
        ("/a;v=1/b", "/a;v=1/b"), ("/...", "/..."), ("/.a", "/.a"), ("/%25", "/%25"),
    ]:  # fmt: skip
        raw = get(target=path.encode() + b"?x=/../%2f")
        yield row("T07", f"the path {path}", raw, Forwarded(f"GET {canonical}?x=/../%2f HTTP/1.1"))
    ambiguous = [b"/a%2fb", b"/a%2F..%2Fb", b"/a%5cb", b"/a\\b", b"/%00", b"/a%00.txt", b"/%", b"/%2", b"/%zz", b"/%u0041", b"/a/..;/b", b"/.;/b", b"/%2e%2e;/b",
                 b"/..;v=1", b"http://a/%2f"]  # fmt: skip
    yield from refused("T07", "an ambiguous path", *(get(target=path) for path in ambiguous))


def _methods() -> Iterator[Row]:
    yield from refused("T08", "no version", b"GET /\r\n\r\n", b"GET / \r\n\r\n", b"GET / HTTP/1.1x\r\n" + A + b"\r\n", get(version=b"1.10"), get(version=b"1"), get(version=b"a.b"),
                        get(version=b"-1.1"), b"GET / http/1.1\r\n" + A + b"\r\n", b"GET / HTTP /1.1\r\n" + A + b"\r\n", b"GET / HTTPS/1.1\r\n" + A + b"\r\n",
                        b"GET / ICY/1.1\r\n" + A + b"\r\n")  # fmt: skip
    yield from refused("T08", "other spaces", b"GET  / HTTP/1.1\r\n" + A + b"\r\n", b"GET /  HTTP/1.1\r\n" + A + b"\r\n", b"GET / HTTP/1.1 \r\n" + A + b"\r\n",
                        b" GET / HTTP/1.1\r\n" + A + b"\r\n", b"GET\t/ HTTP/1.1\r\n" + A + b"\r\n", b"GET /\tHTTP/1.1\r\n" + A + b"\r\n")  # fmt: skip
    yield from refused(
        "T08", "the hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n"
    )
    yield from refused("T08", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status=505)
    yield from refused(
        "T08",
        "another version",
        get(version=b"1.2"),
        get(version=b"2.0"),
        get(version=b"0.9"),
        get(version=b"3.0"),
        status=505,
    )
    yield row(
        "T08",
        "1.0 goes on as 1.1",
        get(version=b"1.0"),
        Forwarded(fields={"via": ["1.0 headgate"]}, closes=True),
    )
    for method in ("FOO", "M-SEARCH", "QUERY", "get", "GETT", "!#$%&'*+-.^_`|~"):
        raw = method.encode() + get()[3:]
        yield row("T09", f"the method {method}", raw, Forwarded(f"{method} / HTTP/1.1"))
    yield from refused(
        "T09", "no method", b"G(T" + get()[3:], b"" + get()[3:], b"G\tT" + get()[3:], b"G\x80T" + get()[3:]
    )
    yield row("T10", "TRACE", b"TRACE" + get()[3:], Answered(405))
    yield from refused(
        "T10",
        "CONNECT",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\n" + A + b"\r\n",
        status=405,
    )
    options = b"OPTIONS" + get()[3:]
    yield row("T11", "no hop left", options[:-2] + b"Max-Forwards: 0\r\n\r\n", Answered(200))
    yield row(
        "T11",
        "one hop left",
        options[:-2] + b"Max-Forwards: 1\r\n\r\n",
        Forwarded("OPTIONS / HTTP/1.1", {"max-forwards": ["0"]}),
    )
    yield row(
        "T11", "a chain", get(b"Via: 1.1 headgate\r\n" * 7), Forwarded(fields={"via": ["1.1 headgate"] * 8})
    )
    yield row("T11", "a loop", get(b"Via: 1.1 headgate, 1.1 x\r\n" * 8), Answered(502))
