"""Rows about fields that pass, end here or are replaced, and about bounds of all kinds."""

from collections.abc import Iterator

from tests.conformance.request_rows.form import (
    MAX_BODY,
    MAX_FIELDS,
    MAX_HEAD,
    MAX_LINE,
    MAX_TARGET,
    Forwarded,
    Row,
    chunks,
    get,
    post,
    refused,
    row,
)


def rows() -> Iterator[Row]:
    """All of them."""
    yield from _fields()
    yield from _bounds()


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
    yield row(
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
    yield row("H02", "nominated fields", nominated, Forwarded(fields=ours))
    yield row(
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
    yield row("H03", "claims about forwarding", get(claims + b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n"),
               Forwarded(fields=dropped | {"x-forwarded-proto": ["http"], "x-forwarded-host": ["a"]}))  # fmt: skip
    imitations = ["x_forwarded_for", "x-forwarded_for", "content_length", "transfer_encoding", "x_request_id", "keep_alive", "proxy_authorization", "x_real_ip",
                  "max_forwards", "x_original_url", "x_forwarded_"]  # fmt: skip
    raw = get("".join(f"{name.upper()}: 1\r\n{name}: 1\r\n" for name in imitations[:9]).encode())
    yield row("H04", "underscores", raw, Forwarded(fields={name: [] for name in imitations[:9]}))
    yield row(
        "H04",
        "an underscore of somebody else",
        get(b"My_Field: 1\r\n"),
        Forwarded(fields={"my_field": ["1"]}),
    )
    yield row("H04", "another path than the routed one", get(b"X-Original-URL: /b\r\nX-Rewrite-Url: /b\r\nX_Original_URL: /b\r\n"),
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
    yield row("H08", "other fields", lists, Forwarded(fields=passed))


def _bounds() -> Iterator[Row]:
    def head(size: int) -> bytes:
        filled = get(b"X: %b\r\n" % (b"x" * 1500) * 2 + b"Y: \r\n")
        return filled.replace(b"Y: ", b"Y: " + b"y" * (size - len(filled)))

    yield row("H05", "a head at the bound", head(MAX_HEAD), Forwarded())
    yield from refused("H05", "a head beyond the bound", head(MAX_HEAD + 1), status=431)
    line = len(b"X: \r\n")
    for name, place in (("last", b"X: %b\r\n"), ("first", b"X: %b\r\nY: z\r\n")):
        yield row("H05", f"a {name} line at the bound", get(place % (b"x" * (MAX_LINE - line))), Forwarded())
        yield from refused(
            "H05", f"a {name} line beyond the bound", get(place % (b"x" * (MAX_LINE - line + 1))), status=431
        )
    yield row("H05", "fields at the bound", get(b"X: y\r\n" * (MAX_FIELDS - 1)), Forwarded())
    yield from refused("H05", "fields beyond the bound", get(b"X: y\r\n" * MAX_FIELDS), status=431)
    names = [b"x%d" % number for number in range(17)]
    yield row(
        "H05", "nominations at the bound", get(b"Connection: %b\r\n" % b",".join(names[:16])), Forwarded()
    )
    yield from refused(
        "H05", "nominations beyond the bound", get(b"Connection: %b\r\n" % b",".join(names)), status=431
    )
    yield row(
        "H06",
        "a target at the bound",
        get(target=b"/" + b"a" * (MAX_TARGET - 1)),
        Forwarded(f"GET /{'a' * (MAX_TARGET - 1)} HTTP/1.1"),
    )
    endless = get(b"X: %b\r\n" % (b"x" * 1000) * 9)[:-2]
    yield from refused("H05", "a head without an end", endless, status=431)
    yield from refused(
        "H06",
        "a target beyond the bound",
        get(target=b"/" + b"a" * MAX_TARGET),
        get(target=b"/?" + b"a" * MAX_TARGET),
        b"GET /" + b"a" * 5000,
        status=414,
    )
    full = b"x" * MAX_BODY
    yield row(
        "H07",
        "a length at the bound",
        post(b"Content-Length: %d\r\n" % MAX_BODY, full),
        Forwarded("POST / HTTP/1.1", {}, full),
    )
    yield from refused(
        "H07", "a length beyond the bound", post(b"Content-Length: %d\r\n" % (MAX_BODY + 1), b""), status=413
    )
    yield row(
        "H07",
        "chunks at the bound",
        chunks(b"8000\r\n%b\r\n" % full[:32768] * 2 + b"0\r\n\r\n"),
        Forwarded("POST / HTTP/1.1", {}, full),
    )
    yield from refused(
        "H07",
        "chunks beyond the bound",
        chunks(b"8000\r\n%b\r\n" % full[:32768] * 2 + b"1\r\nx\r\n0\r\n\r\n"),
        status=413,
    )
