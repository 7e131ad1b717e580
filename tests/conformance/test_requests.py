"""Every row of requests: in process however it is cut, with another request behind it, and over sockets."""

from collections import Counter
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from gateway.state.lane import FORWARD, WAIT
from tests.conformance import reference
from tests.conformance.engine import NOW, Engine, Outcome, in_pieces, splits
from tests.conformance.request_rows import rows
from tests.conformance.request_rows.form import LISTEN, A, Answered, Forwarded, Refused, Row, get
from tests.helpers import Client, Gateway, Origin, configuration

ROWS = list(rows())
BY_ROW = pytest.mark.parametrize("row", ROWS, ids=[f"{row.behaviour} {row.name}" for row in ROWS])
NEXT = get(target=b"/next")
WHOLE = [row for row in ROWS if row.expected]


@pytest.fixture(scope="module")
def engine() -> Engine:
    """One engine for all rows: nothing of a connection may be left to the next."""
    return Engine(LISTEN)


def check(outcome: Outcome, row: Row, expected: tuple[Forwarded | Answered | Refused, ...]) -> None:
    """The instance and the client saw what they should."""
    methods = [line.split(b" ")[0].decode("latin-1") for line in row.raw.split(b"\r\n") if b" HTTP/1" in line]
    methods = [method if method == "HEAD" else "GET" for method in methods]
    assert outcome.statuses(methods) == [it.status for it in expected]
    wanted = [it for it in expected if isinstance(it, Forwarded)]
    for message, forwarded in zip(outcome.requests(), wanted, strict=True):
        assert (message.line, message.body) == (forwarded.line, forwarded.body)
        assert message.values("x-forwarded-for") == ["192.0.2.1"]
        assert {name: message.values(name) for name in forwarded.fields} == dict(forwarded.fields)
        if forwarded.trailers or message.trailers:
            assert message.trailers == forwarded.trailers
    assert outcome.closed == bool(expected and expected[-1].closes)


@BY_ROW
def test_rows_in_process(engine: Engine, row: Row) -> None:
    """The same verdict whole, byte by byte and cut at every place; nothing is left behind it."""
    for pieces in splits(row.raw):
        check(engine.serve(pieces), row, row.expected)


@pytest.mark.parametrize("row", WHOLE, ids=[f"{row.behaviour} {row.name}" for row in WHOLE])
def test_another_request_behind(engine: Engine, row: Row) -> None:
    """What follows is a request of its own, or is not read at all after an end of the connection."""
    follows = () if row.expected[-1].closes else (Forwarded("GET /next HTTP/1.1"),)
    raw = row.raw + NEXT
    for pieces in ([raw], in_pieces(raw), [row.raw, NEXT]):
        check(engine.serve(pieces), row, (*row.expected, *follows))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def origin() -> AsyncIterator[Origin]:
    """The instance."""
    async with Origin() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(origin: Origin) -> AsyncIterator[Gateway]:
    """One gateway for all rows; a row that brings it down fails the following ones too."""
    async with Gateway(configuration(origin, listen=LISTEN)) as running:
        yield running


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "byte by byte"])
async def test_rows_over_sockets(gateway: Gateway, origin: Origin, bytewise: bool) -> None:
    """Through the real command each row has the answers, and the instance sees the requests, that it has in process. Every
    answer is counted by its code.
    """
    before, answered = await gateway.metrics(), Counter[int]()
    for row in ROWS:
        if not row.expected or (bytewise and len(row.raw) > 1000):
            continue
        seen, connections = len(origin.requests), len(origin.connections)
        async with Client(gateway) as client:
            if bytewise:
                await client.send_split(row.raw)
            else:
                await client.send(row.raw)
            statuses = []
            for expected in row.expected:
                line = getattr(expected, "line", "GET")
                statuses.append((await client.response("HEAD" if line.startswith("HEAD") else "GET")).status)
            if row.expected[-1].closes:
                assert await client.at_end() == b"", row
        assert statuses == [it.status for it in row.expected], row
        answered.update(statuses)
        lines = [
            f"{request.method} {request.target} HTTP/1.1"
            for request in origin.requests[seen:]
            if request.complete
        ]
        assert lines == [it.line for it in row.expected if isinstance(it, Forwarded)], row
        if not bytewise and not lines and len(row.raw) < 1000:
            assert (len(origin.requests), len(origin.connections)) == (seen, connections), row
    after = await gateway.metrics()
    for status, count in answered.items():
        counted = [it.sum("headgate_requests_total", code=str(status)) for it in (before, after)]
        assert counted[1] - counted[0] == count, status


def test_a_host_has_one_route() -> None:
    """T06: case, port and a dot at the end make no other host; a name that only contains the host is another."""
    engine = Engine(route='host = "shop.example"')
    for host, status in [
        ("shop.example", 200), ("SHOP.Example", 200), ("shop.example.", 200), ("shop.example:8080", 200), ("Shop.Example.:1", 200),
        ("shop.example.org", 404), ("xshop.example", 404), ("a.shop.example", 404), ("shop", 404), ("shop%2eexample", 400),
    ]:  # fmt: skip
        for raw in (get(host=f"Host: {host}\r\n".encode()), get(target=f"http://{host}/".encode())):
            assert engine.serve([raw]).statuses(["GET"]) == [status], host


def test_every_request_is_judged_by_itself() -> None:
    """T06: what a connection's first request was allowed says nothing about the next one."""
    engine = Engine(route='host = "shop.example"')
    shop, other = get(host=b"Host: shop.example\r\n"), get(host=b"Host: other.example\r\n")
    assert engine.serve([shop + other + shop]).statuses(["GET"] * 3) == [200, 404, 200]


def test_no_spelling_leads_around_a_route() -> None:
    """T07: a route is matched by the path that the instance gets; what a listener keeps goes on as it is documented."""
    engine = Engine(route='path = "/open/*"')
    for target in (
        "/open/../admin",
        "/open/%2e%2e/admin",
        "//admin",
        "/open/./../admin",
        "/%6fpen/%2E%2E/admin",
        "/open//../admin",
    ):
        assert engine.serve([get(target=target.encode())]).statuses(["GET"]) == [404], target
    for target in ("/admin/../open/x", "/%6Fpen/x", "//open/./x", "/open/y/%2e%2e/x"):
        (request,) = engine.serve([get(target=target.encode())]).requests()
        assert request.line == "GET /open/x HTTP/1.1", target
    keeping = Engine(
        'paths = { keep = ["encoded_slash", "encoded_backslash", "encoded_nul", "bad_percent", "dot_parameters", "duplicate_slashes"] }'
    )
    for target, line in (("/a%2fb%5c\\%00%zz", "/a%2Fb%5C%5C%00%25zz"), ("/..;//b/./c", "/..;//b/c")):
        (request,) = keeping.serve([get(target=target.encode())]).requests()
        assert request.line == f"GET {line} HTTP/1.1"


def test_answers_of_our_own() -> None:
    """H09, H10: Date, type and length; nothing of the request comes back, and nothing tells a version."""
    engine = Engine(LISTEN, route='host = "known"')
    marked = (
        get(target=b"/<MARK>?MARK", host=b"Host: MARK\r\n"), get(b"X: MARK\x00\r\n"), b"MARK\r\n\r\n", get(target=b"/%MARK"), b"MARK" * 2000,
        get(host=b"Host: <MARK>\r\n"), b"POST / HTTP/1.1\r\nHost: known\r\nExpect: MARK\r\n\r\n", b"TRACE /MARK HTTP/1.1\r\nHost: known\r\n\r\n",
    )  # fmt: skip
    for raw in marked:
        outcome = engine.serve([raw])
        (answer,) = reference.responses(outcome.answer, ["GET"])
        assert b"MARK" not in outcome.answer
        assert answer.status >= 400
        assert len(answer.values("date")) == len(answer.values("content-type")) == 1
        assert answer.values("content-length") == [str(len(answer.body))]
        assert answer.values("server") == answer.values("via") == []
        (reason,) = answer.values("proxy-status")
        assert reason.startswith("headgate; ")
        assert not any(map(str.isdigit, reason))
    head = engine.serve([b"HEAD / HTTP/1.1\r\n" + A + b"\r\n"])
    (answer,) = reference.responses(head.answer, ["HEAD"])
    assert (answer.status, answer.body, head.closed) == (404, b"", False)
    assert answer.values("content-length") != ["0"]
    (answer,) = reference.responses(engine.serve([get(version=b"1.0")]).answer, ["GET"])
    assert answer.values("connection") == ["close"]


def test_pages() -> None:
    """H10: an own page comes as it is, JSON to who prefers it, and the head is that of any other answer."""
    engine = Engine(errors='errors.404 = { body = "<p>nichts ähnliches</p>" }\n', route='host = "known"')
    accepts = ("", "Accept: */*\r\n", "Accept: text/html, application/json\r\n")
    for fields in accepts:
        (answer,) = reference.responses(engine.serve([get(fields.encode())]).answer, ["GET"])
        assert answer.body.decode() == "<p>nichts ähnliches</p>"
        assert answer.values("content-type") == ["text/html; charset=utf-8"]
        assert len(answer.values("date")) == len(answer.values("proxy-status")) == 1
    (answer,) = reference.responses(engine.serve([get(b"Accept: application/json\r\n")]).answer, ["GET"])
    assert orjson.loads(answer.body) == {"status": 404, "title": "Not Found", "detail": "no route"}
    assert answer.values("content-type") == ["application/problem+json"]
    head = engine.serve([b"HEAD / HTTP/1.1\r\n" + A + b"\r\n"])
    (answer,) = reference.responses(head.answer, ["HEAD"])
    assert (answer.body, answer.values("content-length")) == (
        b"",
        [str(len("<p>nichts ähnliches</p>".encode()))],
    )


def test_empty_lines_buy_no_time() -> None:
    """F24: a client that sends nothing else is let go when it would have been without them."""
    engine = Engine('timeouts = { keepalive = "4s" }')
    connection = engine.connect()
    for second in (1, 2, 3):
        assert connection.receive(b"\r\n", NOW + second * 10**9)[0] == WAIT
    assert engine.lane.expired(NOW + 4 * 10**9 - 1, 1) == []
    assert engine.lane.expired(NOW + 4 * 10**9, 2) == [connection.index]
    connection.close(NOW)


def test_jumps_of_the_wall_clock() -> None:
    """O06: deadlines go by the monotonic clock alone: a day back or forth on the wall lets none pass and none wait."""
    engine = Engine()
    connection = engine.connect()
    assert connection.receive(get(), NOW)[0] == FORWARD
    day = 86_400 * 10**9
    for wall in (0, 100 * day, 99 * day, 101 * day):
        engine.lane.tick(NOW, wall)
        assert engine.lane.expired(NOW, 1) == []
    assert engine.lane.expired(NOW + day, 2) == [connection.index]
    connection.close(NOW)
