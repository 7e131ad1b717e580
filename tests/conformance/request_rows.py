"""What clients send, and what becomes of it: one row a stimulus, in our own words, with the behaviour it shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LISTEN = 'max = { head = "4KiB", line = "2KiB", fields = 20, target = "1KiB", body = "64KiB" }'
"""The bounds that the rows go by."""
MAX_HEAD, MAX_LINE, MAX_FIELDS, MAX_TARGET, MAX_BODY = 4096, 2048, 20, 1024, 65536

A = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The instance gets this request, whole."""

    line: str = "GET / HTTP/1.1"
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    """All values of these fields; none stands for a field that may not be there."""
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()
    closes: bool = False
    """The client's connection ends after the answer."""
    status = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """The gateway answers itself, and the connection lives on."""

    status: int
    closes = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway answers itself and closes: no instance gets a whole request of it."""

    status: int = 400
    closes = True


@dataclass(frozen=True, slots=True)
class Row:
    """One stimulus. Without an expectation nothing whole reaches an instance and nothing is answered."""

    behaviour: str
    name: str
    raw: bytes
    expected: tuple[Forwarded | Answered | Refused, ...]


def get(fields: bytes = b"", target: bytes = b"/", *, version: bytes = b"1.1", host: bytes = A) -> bytes:
    """A GET with these lines."""
    return b"GET %b HTTP/%b\r\n%b%b\r\n" % (target, version, host, fields)


def post(fields: bytes, body: bytes = b"hello", *, version: bytes = b"1.1") -> bytes:
    """A POST with these lines and a body."""
    return b"POST / HTTP/%b\r\n%b%b\r\n%b" % (version, A, fields, body)


def chunks(body: bytes) -> bytes:
    """A POST with this in place of chunks."""
    return post(CHUNKED, body)


HELLO = Forwarded("POST / HTTP/1.1", {"transfer-encoding": ["chunked"], "content-length": []}, b"hello")


def rows() -> Iterator[Row]:
    """All rows."""
    yield from _lengths()
    yield from _codings()
    yield from _chunked()
    yield from _heads()
    yield from _hosts()
    yield from _targets()
    yield from _methods()
    yield from _fields()
    yield from _bounds()
    yield from _lives()


def _row(behaviour: str, name: str, raw: bytes, *expected: Forwarded | Answered | Refused) -> Row:
    return Row(behaviour, name, raw, expected)


def _refused(behaviour: str, name: str, *raws: bytes, status: int = 400) -> Iterator[Row]:
    for number, raw in enumerate(raws):
        label = f"{name} {number}" if len(raws) > 1 else name
        yield Row(behaviour, label, raw, (Refused(status),))


def _lengths() -> Iterator[Row]:
    yield from _refused(
        "F01",
        "two lengths",
        post(b"Content-Length: 5\r\nContent-Length: 6\r\n"),
        post(b"Content-Length: 5, 6\r\n"),
    )
    yield from _refused(
        "F02",
        "one length twice",
        post(b"Content-Length: 5\r\n" * 2),
        post(b"Content-Length: 5, 5\r\n"),
        post(b"Content-Length: 5,\r\n"),
    )
    wrong = [b"", b"+5", b"-1", b"0x5", b"5_0", b"5 5", b"5.0", b"5a", b"\xd9\xa5", b'"5"', b"five",
             b"9223372036854775808", b"18446744073709551615", b"18446744073709551621", b"5" * 40]  # fmt: skip
    yield from _refused("F03", "no length", *(post(b"Content-Length: %b\r\n" % value) for value in wrong))
    yield _row(
        "F03",
        "leading zeros",
        post(b"Content-Length: 0005\r\n"),
        Forwarded("POST / HTTP/1.1", {"content-length": ["5"]}, b"hello"),
    )
    both = [b"Content-Length: 5\r\n", CHUNKED]
    yield from _refused(
        "F04", "both framings", post(b"".join(both), b"0\r\n\r\n"), post(b"".join(reversed(both)), b"0\r\n\r\n"),
        post(b"Content-Length: 0\r\n" + CHUNKED, b"0\r\n\r\n"), post(b"Content-Length: x\r\n" + CHUNKED, b"0\r\n\r\n"),
    )  # fmt: skip


def _codings() -> Iterator[Row]:
    def coding(value: bytes) -> bytes:
        return post(b"Transfer-Encoding: %b\r\n" % value, b"0\r\n\r\n")

    yield from _refused(
        "F05",
        "chunked is not last",
        coding(b"chunked, gzip"),
        coding(b"gzip, chunked"),
        coding(b"chunked;a=b"),
    )
    yield from _refused(
        "F05", "another coding", *map(coding, [b"gzip", b"identity", b"xchunked", b"chunk"]), status=501
    )
    yield from _refused(
        "F06", "chunked and more", post(CHUNKED * 2, b"0\r\n\r\n"),
        *map(coding, [b"chunked, chunked", b",chunked", b"chunked,", b"", b",", b"chunked,,chunked"]),
    )  # fmt: skip
    disguised = [
        b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding\t: chunked\r\n", b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding: \x0cchunked\r\n", b"Transfer-Encoding: \x00chunked\r\n", b"Transfer-Encoding: chunked\x7f\r\n",
        b'Transfer-Encoding: "chunked"\r\n', b"Transfer-Encoding: 'chunked'\r\n", b"Transfer-Encoding: chunked\xa0\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n", b"Transfer-Encoding: chunked\r\n\t\r\n", b" Transfer-Encoding: chunked\r\n",
        b"Transfer\x80Encoding: chunked\r\n", b"Transfer-Encoding\x00: chunked\r\n", b"Transfer Encoding: chunked\r\n",
        b"X: y\rTransfer-Encoding: chunked\r\n", b"X: y\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\n",
        b"\x0bTransfer-Encoding: chunked\r\n", b"Transfer-Encoding:\xa0chunked\r\n", b"Transfer-Encoding: chunk\r ed\r\n",
    ]  # fmt: skip
    yield from _refused("F07", "disguised", *(post(it + b"Content-Length: 5\r\n") for it in disguised))
    plain = Forwarded(
        "POST / HTTP/1.1",
        {"transfer-encoding": [], "transfer_encoding": [], "content-length": ["5"]},
        b"hello",
    )
    yield _row("F07", "an underscore", post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"), plain)
    for value in (b"Transfer-Encoding:chunked\r\n", b"tRANSFER-eNCODING: \t ChUnKeD \t\r\n"):
        yield _row("F07", f"no disguise {len(value)}", post(value, b"5\r\nhello\r\n0\r\n\r\n"), HELLO)
    yield from _refused("F08", "chunked in 1.0", post(CHUNKED, b"0\r\n\r\n", version=b"1.0"))


def _chunked() -> Iterator[Row]:
    sizes = [b"", b" 5", b"0x5", b"+5", b"-0", b"-5", b"5_0", b"5g", b"5 5", b"5.", b"\xd9\xa5", b"8000000000000000",
             b"ffffffffffffffff", b"00000000000000005", b"10000000000000005"]  # fmt: skip
    yield from _refused("F09", "no size", *(chunks(size + b"\r\nhello\r\n0\r\n\r\n") for size in sizes))
    yield _row("F09", "leading zeros", chunks(b"0000000000000005\r\nhello\r\n000\r\n\r\n"), HELLO)
    ends = [b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\rhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello!\r\n0\r\n\r\n",
            b"5\r\nhel\r\n0\r\n\r\n\r\n", b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\n\rX"]  # fmt: skip
    yield from _refused("F10", "no line end", *map(chunks, ends))
    extensions = [b";\n", b";a\n", b";a\rb", b';a="b', b';a="b\\', b';a=b"', b';a="b"c', b";", b";=b", b";a=", b" ", b";a b", b";\x00", b";a=\x7f"]  # fmt: skip
    yield from _refused(
        "F11", "no extension", *(chunks(b"5%b\r\nhello\r\n0\r\n\r\n" % it) for it in extensions)
    )
    yield _row("F11", "extensions", chunks(b'5;a;b=c; d = "e\\"\\\\;" ;f\r\nhello\r\n0;g\r\n\r\n'), HELLO)
    yield _row("F12", "extensions at the bound", chunks(b"5;%b\r\nhello\r\n0\r\n\r\n" % (b"x" * 4095)), HELLO)
    yield from _refused(
        "F12", "too many bytes of extensions", chunks(b"5;%b\r\nhello\r\n0\r\n\r\n" % (b"x" * 4096)),
        chunks(b"1;%b\r\nx\r\n" % (b"x" * 99) * 41 + b"0\r\n\r\n"),
    )  # fmt: skip
    trailers = [b"no colon\r\n", b"\r: x\r\n", b"A: b\rc\r\n", b"A: b\nC: d\r\n", b": x\r\n", b" A: b\r\n", b"A : b\r\n", b"A: \x00\r\n",
                b"A: %b\r\n" % (b"x" * 102400), b"A: b\r\n" * 33]  # fmt: skip
    yield from _refused("F13", "no trailer", *(chunks(b"5\r\nhello\r\n0\r\n%b\r\n" % it) for it in trailers))
    kept = Forwarded("POST / HTTP/1.1", {}, b"hello", (("x-sum", "1"),) * 32)
    yield _row(
        "F13", "trailers at the bound", chunks(b"5\r\nhello\r\n0\r\n%b\r\n" % (b"X-Sum: 1\r\n" * 32)), kept
    )
    head_only = [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: b", b"Authorization: x", b"Connection: close",
                 b"Content_Length: 5", b"X-Forwarded-For: 1.2.3.4", b"Cookie: a=b", b"Trailer: x", b"Via: 1.1 x"]  # fmt: skip
    dropped = Forwarded("POST / HTTP/1.1", {"authorization": [], "cookie": []}, b"hello", (("x-sum", "1"),))
    for line in head_only:
        name = f"the trailer {line.decode()}"
        yield _row("F14", name, chunks(b"5\r\nhello\r\n0\r\n%b\r\nX-Sum: 1\r\n\r\n" % line), dropped)
    for name, rest in (
        ("no final line", b"0\r\n"),
        ("half of it", b"0\r\n\r"),
        ("no last chunk", b""),
        ("half a chunk", b"5\r\nhel"),
    ):
        yield Row("F15", name, chunks(b"5\r\nhello\r\n" + rest), ())


def _heads() -> Iterator[Row]:
    yield from _refused(
        "F16", "a bare LF", b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\n\r\n", b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        get(b"X: y\n"), b"GET / HTTP/1.1\r\nHost: a\r\n\n", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    )  # fmt: skip
    yield from _refused(
        "F17", "a bare CR", b"GET / HTTP/1.1\rHost: a\r\n\r\n", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", get(b"X: a\rb\r\n"), get(b"X\r: a\r\n"),
        get(b"X: a\r\r\n"), b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    )  # fmt: skip
    controls = [byte for byte in range(0x20) if byte not in b"\t\n\r"] + [0x7F]
    yield from _refused(
        "F18", "a control byte in a value", *(get(b"X: a%cb\r\n" % byte) for byte in controls)
    )
    yield from _refused(
        "F19", "white space before the colon", get(b"X : y\r\n"), get(b"X\t: y\r\n"), get(b"X \t : y\r\n")
    )
    yield from _refused(
        "F20",
        "a fold",
        get(b"X: y\r\n z\r\n"),
        get(b"X: y\r\n\tz\r\n"),
        get(b"X:\r\n y\r\n"),
        get(b"X: y\r\n \r\n"),
    )
    yield from _refused(
        "F21", "no field line", get(b" X: y\r\n", host=b"") + A, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", get(b"X\r\n"), get(b": y\r\n"), get(b"X@: y\r\n"),
        get(b"(X): y\r\n"), get(b"X\xc3\xa4: y\r\n"), get(b'"X": y\r\n'), get(b"\x00: y\r\n"), get(b"X/Y: z\r\n"),
    )  # fmt: skip
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"FOO"):
        line = f"{method.decode()} / HTTP/1.1"
        raw = b"%b / HTTP/1.1\r\n%bContent-Length: 5\r\n\r\nhello" % (method, A)
        yield _row(
            "F22", f"{method.decode()} with a body", raw, Forwarded(line, {"content-length": ["5"]}, b"hello")
        )
    yield _row("F23", "garbage behind a request", get() + b"GARBAGE\r\n\r\n", Forwarded(), Refused())
    yield _row("F23", "a body that nobody announced", get() + b"hello\r\n" + get(), Forwarded(), Refused())
    yield _row(
        "F23",
        "more than was announced",
        post(b"Content-Length: 4\r\n") + b"\r\n\r\n",
        Forwarded("POST / HTTP/1.1", {}, b"hell"),
        Refused(),
    )
    yield _row("F24", "one empty line", b"\r\n" + get(), Forwarded())
    yield _row("F24", "four empty lines", b"\r\n" * 4 + get(), Forwarded())
    yield _row("F24", "an empty line between two", get() + b"\r\n" + get(), Forwarded(), Forwarded())
    yield from _refused("F24", "five empty lines", b"\r\n" * 5 + get())


def _hosts() -> Iterator[Row]:
    yield from _refused(
        "T01",
        "not one Host",
        get(host=b""),
        get(host=A * 2),
        get(host=A + b"Host: b\r\n"),
        get(host=A + b"hOST: a\r\n"),
    )
    wrong = [b"a b", b"a/b", b"u@a", b"a:99999", b"a:65536", b"[::1", b"[::1]x", b"[::1]:x", b"::1", b"a:1:2", b"a:-1", b"a,b c", b"a%2eb", b"[]",
             b"[fe80::1%25eth0]", b"[v1.x]", b":80", b"a\\b", b"a?b", b"a#b", b"\xc3\xa4", b"a\x00b", b"http://a"]  # fmt: skip
    yield from _refused("T01", "no host", *(get(host=b"Host: %b\r\n" % host) for host in wrong))
    for host in ("a:65535", "[::1]:80", "a.", "A", "10.0.0.1", "a:"):
        fields = {"host": [host], "x-forwarded-host": [host]}
        yield _row(
            "T01", f"the host {host}", get(host=f"Host: {host}\r\n".encode()), Forwarded(fields=fields)
        )
    target = Forwarded("GET /p?q HTTP/1.1", {"host": ["b:8"], "x-forwarded-host": ["b:8"]})
    yield _row("T02", "the target names another host", get(target=b"http://b:8/p?q"), target)
    yield _row("T02", "no path", get(target=b"HTTP://b?q"), Forwarded("GET /?q HTTP/1.1", {"host": ["b"]}))
    yield from _refused(
        "T02", "no authority", get(target=b"http:///p"), get(target=b"http://u@b/"), get(target=b"http://b:99999/"), get(target=b"http://b", host=b""),
        get(target=b"ftp://b/"), get(target=b"http:/b"),
    )  # fmt: skip


def _targets() -> Iterator[Row]:
    yield from _refused(
        "T03",
        "an asterisk",
        get(target=b"*"),
        get(target=b"*/x"),
        b"OPTIONS */x HTTP/1.1\r\n" + A + b"\r\n",
        b"OPTIONS ** HTTP/1.1\r\n" + A + b"\r\n",
    )
    yield _row(
        "T03", "all of the server", b"OPTIONS * HTTP/1.1\r\n" + A + b"\r\n", Forwarded("OPTIONS * HTTP/1.1")
    )
    yield _row(
        "T03",
        "all of another",
        b"OPTIONS http://b HTTP/1.1\r\n" + A + b"\r\n",
        Forwarded("OPTIONS * HTTP/1.1", {"host": ["b"]}),
    )
    yield from _refused(
        "T04",
        "no path",
        get(target=b"a:80"),
        get(target=b"admin/a"),
        get(target=b"?q"),
        get(target=b"//".replace(b"/", b"\\")),
        get(target=b"%2F"),
    )
    wrong = [byte for byte in range(256) if not 0x21 <= byte <= 0x7E or byte == 0x23]
    yield from _refused("T05", "a byte in the query", *(get(target=b"/?a%cb" % byte) for byte in wrong))
    yield from _refused(
        "T05", "a byte in the path", *(get(target=b"/a%cb" % byte) for byte in (*wrong, 0x5C))
    )
    for path, canonical in [
        ("//", "/"), ("/a//b///", "/a/b/"), ("/./a/./", "/a/"), ("/a/../b", "/b"), ("/..", "/"), ("/../../a", "/a"), ("/a/b/..", "/a/"),
        ("/%2e%2E/a/%2e", "/a/"), ("/a/.%2e/b", "/b"), ("/%61%7e", "/a~"), ("/%c3%a4", "/%C3%A4"), ("/a|b", "/a%7Cb"), ("/%252e", "/%252e"),
        ("/a;v=1/b", "/a;v=1/b"), ("/...", "/..."), ("/.a", "/.a"), ("/%25", "/%25"),
    ]:  # fmt: skip
        raw = get(target=path.encode() + b"?x=/../%2f")
        yield _row("T07", f"the path {path}", raw, Forwarded(f"GET {canonical}?x=/../%2f HTTP/1.1"))
    ambiguous = [b"/a%2fb", b"/a%2F..%2Fb", b"/a%5cb", b"/a\\b", b"/%00", b"/a%00.txt", b"/%", b"/%2", b"/%zz", b"/%u0041", b"/a/..;/b", b"/.;/b", b"/%2e%2e;/b",
                 b"/..;v=1", b"http://a/%2f"]  # fmt: skip
    yield from _refused("T07", "an ambiguous path", *(get(target=path) for path in ambiguous))


def _methods() -> Iterator[Row]:
    yield from _refused("T08", "no version", b"GET /\r\n\r\n", b"GET / \r\n\r\n", b"GET / HTTP/1.1x\r\n" + A + b"\r\n", get(version=b"1.10"), get(version=b"1"), get(version=b"a.b"),
                        get(version=b"-1.1"), b"GET / http/1.1\r\n" + A + b"\r\n", b"GET / HTTP /1.1\r\n" + A + b"\r\n", b"GET / HTTPS/1.1\r\n" + A + b"\r\n",
                        b"GET / ICY/1.1\r\n" + A + b"\r\n")  # fmt: skip
    yield from _refused("T08", "other spaces", b"GET  / HTTP/1.1\r\n" + A + b"\r\n", b"GET /  HTTP/1.1\r\n" + A + b"\r\n", b"GET / HTTP/1.1 \r\n" + A + b"\r\n",
                        b" GET / HTTP/1.1\r\n" + A + b"\r\n", b"GET\t/ HTTP/1.1\r\n" + A + b"\r\n", b"GET /\tHTTP/1.1\r\n" + A + b"\r\n")  # fmt: skip
    yield from _refused(
        "T08", "the hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n"
    )
    yield from _refused("T08", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status=505)
    yield from _refused(
        "T08",
        "another version",
        get(version=b"1.2"),
        get(version=b"2.0"),
        get(version=b"0.9"),
        get(version=b"3.0"),
        status=505,
    )
    yield _row(
        "T08",
        "1.0 goes on as 1.1",
        get(version=b"1.0"),
        Forwarded(fields={"via": ["1.0 headgate"]}, closes=True),
    )
    for method in ("FOO", "M-SEARCH", "QUERY", "get", "GETT", "!#$%&'*+-.^_`|~"):
        raw = method.encode() + get()[3:]
        yield _row("T09", f"the method {method}", raw, Forwarded(f"{method} / HTTP/1.1"))
    yield from _refused(
        "T09", "no method", b"G(T" + get()[3:], b"" + get()[3:], b"G\tT" + get()[3:], b"G\x80T" + get()[3:]
    )
    yield _row("T10", "TRACE", b"TRACE" + get()[3:], Answered(405))
    yield from _refused(
        "T10",
        "CONNECT",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\n" + A + b"\r\n",
        status=405,
    )
    options = b"OPTIONS" + get()[3:]
    yield _row("T11", "no hop left", options[:-2] + b"Max-Forwards: 0\r\n\r\n", Answered(200))
    yield _row(
        "T11",
        "one hop left",
        options[:-2] + b"Max-Forwards: 1\r\n\r\n",
        Forwarded("OPTIONS / HTTP/1.1", {"max-forwards": ["0"]}),
    )
    yield _row(
        "T11", "a chain", get(b"Via: 1.1 headgate\r\n" * 7), Forwarded(fields={"via": ["1.1 headgate"] * 8})
    )
    yield _row("T11", "a loop", get(b"Via: 1.1 headgate, 1.1 x\r\n" * 8), Answered(502))


def _fields() -> Iterator[Row]:
    hops = b"Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\nUpgrade: h2c\r\nTrailer: x\r\nProxy: x\r\nProxy-Authorization: x\r\nX-Foo: 1\r\nX-Bar: 2\r\nX-Other: 3\r\n"
    names = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "trailer",
        "proxy",
        "proxy-authorization",
        "x-foo",
        "x-bar",
    ]
    stripped = Forwarded(fields={name: [] for name in names} | {"x-other": ["3"]})
    yield _row(
        "H01",
        "fields of one hop",
        get(b"Connection: X-Foo, keep-alive\r\nConnection: x-BAR\r\n" + hops),
        stripped,
    )
    nominated = get(
        b"Connection: X-Forwarded-For, X-Forwarded-Proto, Host, X-Request-Id, Via, Content-Length, X-Forwarded-Host\r\nX-Request-Id: 1\r\nX-Forwarded-For: 9.9.9.9\r\n"
    )
    ours = {
        "host": ["a"],
        "via": ["1.1 headgate"],
        "x-request-id": ["1"],
        "x-forwarded-proto": ["http"],
        "x-forwarded-host": ["a"],
    }
    yield _row("H02", "nominated fields", nominated, Forwarded(fields=ours))
    yield _row(
        "H02",
        "a nominated length",
        post(b"Connection: Content-Length\r\nContent-Length: 5\r\n"),
        Forwarded("POST / HTTP/1.1", {"content-length": ["5"]}, b"hello"),
    )
    claims = b"".join(
        b"%b: 9.9.9.9\r\n" % name
        for name in (
            b"X-Forwarded-For",
            b"x-forwarded-for",
            b"Forwarded",
            b"X-Real-IP",
            b"True-Client-IP",
            b"X-Forwarded-Prefix",
            b"X-Forwarded-Port",
        )
    )
    dropped: dict[str, list[str]] = {
        name: []
        for name in ("forwarded", "x-real-ip", "true-client-ip", "x-forwarded-prefix", "x-forwarded-port")
    }
    yield _row("H03", "claims about forwarding", get(claims + b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"),
               Forwarded(fields=dropped | {"x-forwarded-proto": ["http"], "x-forwarded-host": ["a"]}))  # fmt: skip
    imitations = ["x_forwarded_for", "x-forwarded_for", "content_length", "transfer_encoding", "x_request_id", "keep_alive", "proxy_authorization", "x_real_ip",
                  "max_forwards", "x_original_url", "x_forwarded_"]  # fmt: skip
    raw = get("".join(f"{name.upper()}: 1\r\n{name}: 1\r\n" for name in imitations[:9]).encode())
    yield _row("H04", "underscores", raw, Forwarded(fields={name: [] for name in imitations[:9]}))
    yield _row(
        "H04",
        "an underscore of somebody else",
        get(b"My_Field: 1\r\n"),
        Forwarded(fields={"my_field": ["1"]}),
    )
    yield _row("H04", "another path than the routed one", get(b"X-Original-URL: /b\r\nX-Rewrite-Url: /b\r\nX_Original_URL: /b\r\n"),
               Forwarded(fields={"x-original-url": [], "x-rewrite-url": [], "x_original_url": []}))  # fmt: skip
    lists = get(
        b"Accept: 1\r\nCookie: a=1\r\nACCEPT: 2\r\nX-Empty:\r\nCookie: b=2\r\nX-Bytes: \xc3\xa4\xff\r\nX-Space: \t a \t b \t\r\n"
    )
    passed = {
        "accept": ["1", "2"],
        "cookie": ["a=1", "b=2"],
        "x-empty": [""],
        "x-bytes": ["\u00c3\u00a4\u00ff"],
        "x-space": ["a \t b"],
    }
    yield _row("H08", "other fields", lists, Forwarded(fields=passed))


def _bounds() -> Iterator[Row]:
    def head(size: int) -> bytes:
        filled = get(b"X: %b\r\n" % (b"x" * 1500) * 2 + b"Y: \r\n")
        return filled.replace(b"Y: ", b"Y: " + b"y" * (size - len(filled)))

    yield _row("H05", "a head at the bound", head(MAX_HEAD), Forwarded())
    yield from _refused("H05", "a head beyond the bound", head(MAX_HEAD + 1), status=431)
    line = len(b"X: \r\n")
    for name, place in (("last", b"X: %b\r\n"), ("first", b"X: %b\r\nY: z\r\n")):
        yield _row("H05", f"a {name} line at the bound", get(place % (b"x" * (MAX_LINE - line))), Forwarded())
        yield from _refused(
            "H05", f"a {name} line beyond the bound", get(place % (b"x" * (MAX_LINE - line + 1))), status=431
        )
    yield _row("H05", "fields at the bound", get(b"X: y\r\n" * (MAX_FIELDS - 1)), Forwarded())
    yield from _refused("H05", "fields beyond the bound", get(b"X: y\r\n" * MAX_FIELDS), status=431)
    names = [b"x%d" % number for number in range(17)]
    yield _row(
        "H05", "nominations at the bound", get(b"Connection: %b\r\n" % b",".join(names[:16])), Forwarded()
    )
    yield from _refused(
        "H05", "nominations beyond the bound", get(b"Connection: %b\r\n" % b",".join(names)), status=431
    )
    yield _row(
        "H06",
        "a target at the bound",
        get(target=b"/" + b"a" * (MAX_TARGET - 1)),
        Forwarded(f"GET /{'a' * (MAX_TARGET - 1)} HTTP/1.1"),
    )
    endless = get(b"X: %b\r\n" % (b"x" * 1000) * 9)[:-2]
    yield from _refused("H05", "a head without an end", endless, status=431)
    yield from _refused(
        "H06",
        "a target beyond the bound",
        get(target=b"/" + b"a" * MAX_TARGET),
        get(target=b"/?" + b"a" * MAX_TARGET),
        b"GET /" + b"a" * 5000,
        status=414,
    )
    full = b"x" * MAX_BODY
    yield _row(
        "H07",
        "a length at the bound",
        post(b"Content-Length: %d\r\n" % MAX_BODY, full),
        Forwarded("POST / HTTP/1.1", {}, full),
    )
    yield from _refused(
        "H07", "a length beyond the bound", post(b"Content-Length: %d\r\n" % (MAX_BODY + 1), b""), status=413
    )
    yield _row(
        "H07",
        "chunks at the bound",
        chunks(b"8000\r\n%b\r\n" % full[:32768] * 2 + b"0\r\n\r\n"),
        Forwarded("POST / HTTP/1.1", {}, full),
    )
    yield from _refused(
        "H07",
        "chunks beyond the bound",
        chunks(b"8000\r\n%b\r\n" % full[:32768] * 2 + b"1\r\nx\r\n0\r\n\r\n"),
        status=413,
    )


def _lives() -> Iterator[Row]:
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
    yield _row("L01", "ten requests", ten, *expected)
    yield _row(
        "L01",
        "a fault behind a request",
        post(CHUNKED, b"0\r\n\r\n") + b"BAD\r\n\r\n" + get(),
        Forwarded("POST / HTTP/1.1"),
        Refused(),
    )
    yield _row("L02", "the client closes", get(b"Connection: close\r\n"), Forwarded(closes=True))
    yield _row(
        "L02", "the client closes, among others", get(b"Connection: x, CLOSE ,y\r\n"), Forwarded(closes=True)
    )
    yield _row(
        "L02",
        "1.0 closes",
        get(version=b"1.0"),
        Forwarded(fields={"via": ["1.0 headgate"]}, closes=True),
    )
    yield _row(
        "L02",
        "1.0 stays when it says so",
        get(b"Connection: Keep-Alive\r\n", version=b"1.0"),
        Forwarded(fields={"via": ["1.0 headgate"]}),
    )
    yield _row(
        "L06",
        "an expectation",
        post(b"Expect: 100-Continue\r\nContent-Length: 5\r\n"),
        Forwarded("POST / HTTP/1.1", {"expect": ["100-continue"]}, b"hello"),
    )
    yield _row(
        "L06",
        "an expectation in 1.0",
        post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", version=b"1.0"),
        Forwarded("POST / HTTP/1.1", {"expect": []}, b"hello", closes=True),
    )
    yield from _refused(
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
    yield _row(
        "W03",
        "an upgrade to HTTP/2",
        h2c,
        Forwarded(fields={"upgrade": [], "connection": [], "http2-settings": []}),
    )
    yield _row(
        "W03",
        "HTTP/2 among others",
        get(b"Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n"),
        Forwarded(fields={"upgrade": [], "connection": []}),
    )
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    yield _row("W04", "an upgrade with a body", post(upgrade + b"Content-Length: 5\r\n"), Refused(400))
    yield _row("W04", "an upgrade with chunks", post(upgrade + CHUNKED, b"0\r\n\r\n"), Refused(400))
    yield from _refused(
        "W06",
        "CONNECT",
        b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:443 HTTP/1.0\r\nHost: a:443\r\n\r\nhello",
        status=405,
    )
