"""Rows about where a body ends: lengths, transfer codings, chunks."""

from collections.abc import Iterator

from tests.conformance.request_rows.form import (
    CHUNKED,
    HELLO,
    Forwarded,
    Row,
    chunks,
    post,
    refused,
    row,
)


def rows() -> Iterator[Row]:
    """All of them."""
    yield from _lengths()
    yield from _codings()
    yield from _chunked()


def _lengths() -> Iterator[Row]:
    yield from refused(
        "F01",
        "two lengths",
        post(b"Content-Length: 5\r\nContent-Length: 6\r\n"),
        post(b"Content-Length: 5, 6\r\n"),
    )
    yield from refused(
        "F02",
        "one length twice",
        post(b"Content-Length: 5\r\n" * 2),
        post(b"Content-Length: 5, 5\r\n"),
        post(b"Content-Length: 5,\r\n"),
    )
    wrong = [b"", b"+5", b"-1", b"0x5", b"5_0", b"5 5", b"5.0", b"5a", b"\xd9\xa5", b'"5"', b"five",
             b"9223372036854775808", b"18446744073709551615", b"18446744073709551621", b"5" * 40]  # fmt: skip
    yield from refused("F03", "no length", *(post(b"Content-Length: %b\r\n" % value) for value in wrong))
    yield row(
        "F03",
        "leading zeros",
        post(b"Content-Length: 0005\r\n"),
        Forwarded("POST / HTTP/1.1", {"content-length": ["5"]}, b"hello"),
    )
    both = [b"Content-Length: 5\r\n", CHUNKED]
    yield from refused(
        "F04", "both framings", post(b"".join(both), b"0\r\n\r\n"), post(b"".join(reversed(both)), b"0\r\n\r\n"),
        post(b"Content-Length: 0\r\n" + CHUNKED, b"0\r\n\r\n"), post(b"Content-Length: x\r\n" + CHUNKED, b"0\r\n\r\n"),
    )  # fmt: skip


def _codings() -> Iterator[Row]:
    def coding(value: bytes) -> bytes:
        return post(b"Transfer-Encoding: %b\r\n" % value, b"0\r\n\r\n")

    yield from refused(
        "F05",
        "chunked is not last",
        coding(b"chunked, gzip"),
        coding(b"gzip, chunked"),
        coding(b"chunked;a=b"),
    )
    yield from refused(
        "F05", "another coding", *map(coding, [b"gzip", b"identity", b"xchunked", b"chunk"]), status=501
    )
    yield from refused(
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
    yield from refused("F07", "disguised", *(post(it + b"Content-Length: 5\r\n") for it in disguised))
    plain = Forwarded(
        "POST / HTTP/1.1",
        {"transfer-encoding": [], "transfer_encoding": [], "content-length": ["5"]},
        b"hello",
    )
    yield row("F07", "an underscore", post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n"), plain)
    for value in (b"Transfer-Encoding:chunked\r\n", b"tRANSFER-eNCODING: \t ChUnKeD \t\r\n"):
        yield row("F07", f"no disguise {len(value)}", post(value, b"5\r\nhello\r\n0\r\n\r\n"), HELLO)
    yield from refused("F08", "chunked in 1.0", post(CHUNKED, b"0\r\n\r\n", version=b"1.0"))


def _chunked() -> Iterator[Row]:
    sizes = [b"", b" 5", b"0x5", b"+5", b"-0", b"-5", b"5_0", b"5g", b"5 5", b"5.", b"\xd9\xa5", b"8000000000000000",
             b"ffffffffffffffff", b"00000000000000005", b"10000000000000005"]  # fmt: skip
    yield from refused("F09", "no size", *(chunks(size + b"\r\nhello\r\n0\r\n\r\n") for size in sizes))
    yield row("F09", "leading zeros", chunks(b"0000000000000005\r\nhello\r\n000\r\n\r\n"), HELLO)
    ends = [b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n0\r\n\r\n", b"5\r\rhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello!\r\n0\r\n\r\n",
            b"5\r\nhel\r\n0\r\n\r\n\r\n", b"5\r\nhello\r\n0\n\r\n", b"5\r\nhello\r\n0\r\n\n", b"5\r\nhello\r\n0\r\n\rX"]  # fmt: skip
    yield from refused("F10", "no line end", *map(chunks, ends))
    extensions = [b";\n", b";a\n", b";a\rb", b';a="b', b';a="b\\', b';a=b"', b';a="b"c', b";", b";=b", b";a=", b" ", b";a b", b";\x00", b";a=\x7f"]  # fmt: skip
    yield from refused(
        "F11", "no extension", *(chunks(b"5%b\r\nhello\r\n0\r\n\r\n" % it) for it in extensions)
    )
    yield row("F11", "extensions", chunks(b'5;a;b=c; d = "e\\"\\\\;" ;f\r\nhello\r\n0;g\r\n\r\n'), HELLO)
    yield row("F12", "extensions at the bound", chunks(b"5;%b\r\nhello\r\n0\r\n\r\n" % (b"x" * 4095)), HELLO)
    yield from refused(
        "F12", "too many bytes of extensions", chunks(b"5;%b\r\nhello\r\n0\r\n\r\n" % (b"x" * 4096)),
        chunks(b"1;%b\r\nx\r\n" % (b"x" * 99) * 41 + b"0\r\n\r\n"),
    )  # fmt: skip
    trailers = [b"no colon\r\n", b"\r: x\r\n", b"A: b\rc\r\n", b"A: b\nC: d\r\n", b": x\r\n", b" A: b\r\n", b"A : b\r\n", b"A: \x00\r\n",
                b"A: %b\r\n" % (b"x" * 102400), b"A: b\r\n" * 33]  # fmt: skip
    yield from refused("F13", "no trailer", *(chunks(b"5\r\nhello\r\n0\r\n%b\r\n" % it) for it in trailers))
    kept = Forwarded("POST / HTTP/1.1", {}, b"hello", (("x-sum", "1"),) * 32)
    yield row(
        "F13", "trailers at the bound", chunks(b"5\r\nhello\r\n0\r\n%b\r\n" % (b"X-Sum: 1\r\n" * 32)), kept
    )
    head_only = [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: b", b"Authorization: x", b"Connection: close",
                 b"Content_Length: 5", b"X-Forwarded-For: 1.2.3.4", b"Cookie: a=b", b"Trailer: x", b"Via: 1.1 x"]  # fmt: skip
    dropped = Forwarded("POST / HTTP/1.1", {"authorization": [], "cookie": []}, b"hello", (("x-sum", "1"),))
    for line in head_only:
        name = f"the trailer {line.decode()}"
        yield row("F14", name, chunks(b"5\r\nhello\r\n0\r\n%b\r\nX-Sum: 1\r\n\r\n" % line), dropped)
    for name, rest in (
        ("no final line", b"0\r\n"),
        ("half of it", b"0\r\n\r"),
        ("no last chunk", b""),
        ("half a chunk", b"5\r\nhel"),
    ):
        yield Row("F15", name, chunks(b"5\r\nhello\r\n" + rest), ())
