"""Mirrors: another service gets its share of a route's requests, and no client can tell."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.configuration import HasAddress
from tests.helpers.gateway import run_with
from tests.helpers.message import chunked
from tests.helpers.processes import private_bytes
from tests.helpers.proof import PROOF
from tests.helpers.vices import (
    AnswersEarly,
    ClosesMidBody,
    Gated,
    NeverAccepts,
    ReadsBodyLate,
    RefusesConnect,
    SpeaksGarbage,
    StallsAfterHead,
    StallsBeforeHead,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
REQUESTS = 100_000 if PROOF else 2_000
TOLERANCE = 0.01 if PROOF else 0.05
"""Of a share of 30 %: seven standard deviations of 100,000 requests, and almost five of 2,000."""
BATCH = 100
MIB = 1 << 20
MOST_COPIES = 256
"""Of one worker."""


def mirrored(
    origin: HasAddress,
    shadow: HasAddress,
    *,
    percent: int = 100,
    workers: int = 1,
    listen: str = "",
    route: str = "",
    service: str = "",
) -> str:
    """So many percent of the requests of the route ``all`` are copied to ``shadow``; ``service``: lines of that."""
    return configuration(
        origin,
        workers=workers,
        gateway='drain_timeout = "5s"',
        listen=listen,
        services=f'[services.shadow]\ninstances = ["{shadow.address}"]\n{service}',
        route=f'name = "all"\nmirror = {{ service = "shadow", percent = {percent} }}\n{route}',
    )


async def ask(gateway: Gateway, count: int) -> None:
    """So many requests of one connection, all of which are answered as if there were no mirror."""
    async with Client(gateway) as client:
        for done in range(0, count, BATCH):
            batch = min(BATCH, count - done)
            answers = await client.exchange(GET * batch, ["GET"] * batch)
            assert {(answer.status, answer.body.data) for answer in answers} == {(200, b"ours")}


def post(body: bytes, *, in_chunks: bool = False) -> bytes:
    """A request with a body."""
    framing = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {len(body)}"
    head = f"POST /old HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode()
    return head + (chunked(body) if in_chunks else body)


async def copies(gateway: Gateway, **labels: str) -> int:
    """Copies that have ended."""
    return int((await gateway.metrics()).sum("headgate_mirror_requests_total", route="all", **labels))


def has_come(origin: Origin, count: int) -> bool:
    """Was it asked so often?"""
    return len(origin.requests) == count


async def drops(gateway: Gateway, reason: str) -> int:
    """Copies that were not made, or were cut off."""
    return int((await gateway.metrics()).sum("headgate_mirror_drops_total", reason=reason))


async def until_ended(gateway: Gateway, count: int, **labels: str) -> None:
    """Waits until so many copies have ended, and nothing is under way."""

    async def have_ended() -> bool:
        return await copies(gateway, **labels) == count and await gateway.empty()

    await eventually(have_ended)


async def test_a_mirror_gets_its_share() -> None:
    """As closely as chance allows; each copy is counted, and none of them as a request."""
    async with Origin(b"ours") as origin, Origin(b"theirs") as shadow:
        async with Gateway(mirrored(origin, shadow, percent=30, workers=2)) as gateway:
            await asyncio.gather(*[ask(gateway, REQUESTS // 4) for _ in range(4)])
            seen = len(shadow.requests)
            assert abs(seen / REQUESTS - 0.3) <= TOLERANCE
            await until_ended(gateway, seen, service="shadow", code="200")
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_requests_total") == len(origin.requests) == REQUESTS
            assert metrics.sum("headgate_mirror_drops_total") == 0
            assert metrics.sum("headgate_request_duration_seconds_count", service="shadow") == seen


async def test_a_copy_is_what_the_instance_gets() -> None:
    """Head and body, with the changes of the route; so both know it by the same X-Request-Id."""
    route = 'request_headers = { set = { X-Stage = "one" } }\nrewrite = { path = "/new", host = "inside" }'
    async with Origin() as origin, Origin(b"theirs") as shadow:
        async with Gateway(mirrored(origin, shadow, route=route)) as gateway, Client(gateway) as client:
            for raw in (post(b"abc"), post(b"defgh", in_chunks=True)):
                (answer,) = await client.exchange(raw, "POST")
                assert answer.fields.all("x-target") == ["/new"]
            await until_ended(gateway, 2)
            for sent, copied in zip(origin.requests, shadow.requests, strict=True):
                assert (copied.head, copied.body) == (sent.head, sent.body)
                assert copied.fields.all("host") == ["inside"]


VICES = [
    (RefusesConnect, "502"),
    (NeverAccepts, "504"),
    (StallsBeforeHead, "504"),
    (StallsAfterHead, "200"),
    (ClosesMidBody, "200"),
    (SpeaksGarbage, "502"),
]


@pytest.mark.parametrize(("vice", "code"), VICES, ids=[vice.__name__ for vice, _ in VICES])
async def test_a_bad_mirror_changes_nothing(vice: Callable[[], Any], code: str) -> None:
    """Whatever it does, each request is answered while its copy is on its way, no copy is sent twice, and none is left behind."""
    timeouts = 'timeouts = { connect = "300ms", first_byte = "300ms", idle = "300ms" }\npassive = false'
    async with Origin(b"ours") as origin, vice() as shadow:
        async with Gateway(mirrored(origin, shadow, service=timeouts)) as gateway:
            await ask(gateway, 20)
            await until_ended(gateway, 20, code=code)
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_requests_total", code="200") == 20
            assert metrics.sum("headgate_retries_total") == metrics.sum("headgate_faults_total") == 0
            assert len(getattr(shadow, "requests", ())) <= 20


async def test_a_dead_mirror_is_ejected_like_any_service() -> None:
    """Its copies count for its instances' health; beyond that they are not made."""
    passive = 'passive = { failures = 3, max_share = "100%" }\npanic = "0%"'
    async with Origin(b"ours") as origin, RefusesConnect() as dead, RefusesConnect() as dead_too:
        text = mirrored(origin, dead, service=passive)
        text = text.replace(f'["{dead.address}"]', f'["{dead.address}", "{dead_too.address}"]')
        async with Gateway(text) as gateway:

            async def is_left_alone() -> bool:
                await ask(gateway, 5)
                status = await gateway.instance(dead.address), await gateway.instance(dead_too.address)
                return any(one["state"] == "ejected" for one in status)

            await eventually(is_left_alone)


async def test_copies_under_way_are_bounded() -> None:
    """A mirror that says nothing holds so many of them, and no more; they go on when it speaks."""
    async with Origin(b"ours") as origin, Gated() as shadow:
        shadow.gate.clear()
        async with Gateway(mirrored(origin, shadow)) as gateway:
            await ask(gateway, 2 * MOST_COPIES)
            assert await drops(gateway, "full") == MOST_COPIES
            assert (await gateway.instance(shadow.address))["in_flight"] == MOST_COPIES
            shadow.gate.set()
            await until_ended(gateway, MOST_COPIES, code="200")
            await ask(gateway, 10)
            await until_ended(gateway, MOST_COPIES + 10, code="200")


async def test_a_cap_of_the_mirror_holds() -> None:
    """Beyond ``max_in_flight`` of its instances copies are not made."""
    async with Origin(b"ours") as origin, Gated() as shadow:
        shadow.gate.clear()
        text = mirrored(origin, shadow).replace(
            f'["{shadow.address}"]', f'[{{ address = "{shadow.address}", max_in_flight = 3 }}]'
        )
        async with Gateway(text) as gateway:
            await ask(gateway, 10)
            assert await drops(gateway, "unavailable") == 7
            shadow.gate.set()
            await until_ended(gateway, 3, code="200")


async def test_a_mirror_under_maintenance_gets_nothing() -> None:
    """As long as it is; the requests go on, and what was not copied is counted."""
    async with Origin(b"ours") as origin, Origin(b"theirs") as shadow:
        async with Gateway(mirrored(origin, shadow)) as gateway:
            for word, copied, dropped in (("on", 0, 3), ("off", 3, 3)):
                code, _, err = await run_with(
                    "set", "services.shadow.maintenance", word, "--admin", gateway.admin
                )
                assert code == 0, err
                await ask(gateway, 3)
                await until_ended(gateway, copied)
                assert (len(shadow.requests), await drops(gateway, "unavailable")) == (copied, dropped)


async def test_a_large_body_is_copied_whole() -> None:
    """A mirror that keeps up with the instance gets all of it, however large it is."""
    size, step = 4 * MIB, MIB // 4
    async with Origin(b"ours") as origin, Origin(b"theirs") as shadow:
        async with Gateway(mirrored(origin, shadow)) as gateway, Client(gateway) as client:
            raw = post(bytes(size))
            await client.send(raw[:-size])
            for sent in range(step, size + step, step):
                await client.send(bytes(step))
                await eventually(partial(have_read, (origin, shadow), sent))
            assert (await client.response("POST")).body.data == b"ours"
            await until_ended(gateway, 1, code="200")
            assert shadow.requests[0].body.data == bytes(size)


def have_read(origins: Iterable[Origin], size: int) -> bool:
    """Have all of them read so much of the body of their only request?"""
    return all([request.body.length for request in origin.requests] == [size] for origin in origins)


async def test_a_large_body_does_not_wait_for_its_copy() -> None:
    """What a mirror does not take waits for it up to a bound, and then it gets no more."""
    async with Origin(b"ours") as origin, ReadsBodyLate() as slow:
        async with Gateway(mirrored(origin, slow)) as gateway, Client(gateway) as client:
            (answer,) = await client.exchange(post(bytes(24 * MIB)), "POST")
            assert (answer.body.data, len(origin.requests[0].body.data)) == (b"ours", 24 * MIB)
            await until_ended(gateway, 1, code="499")
            assert await drops(gateway, "slow") == 1


async def test_memory_is_bounded_whatever_the_mirror_does() -> None:
    """Many large bodies beside a mirror that reads nothing: the worker keeps to a bound that does not grow with them."""
    async with Origin(b"ours") as origin, ReadsBodyLate() as slow:
        async with Gateway(mirrored(origin, slow)) as gateway:

            async def upload() -> None:
                async with Client(gateway) as client:
                    (answer,) = await client.exchange(post(bytes(8 * MIB)), "POST")
                    assert answer.status == 200

            await asyncio.gather(*[upload() for _ in range(4)])
            before = private_bytes(gateway.workers[0])
            for _ in range(4):
                await asyncio.gather(*[upload() for _ in range(8)])
            assert await drops(gateway, "slow") == 36
            assert private_bytes(gateway.workers[0]) - before < 20 * MIB, "not 256 MiB"


async def test_a_request_that_is_not_whole_takes_its_copy_along() -> None:
    """A client that leaves within its body, and an instance that answers before it has all of it, cut the copy off."""
    begun = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
    async with Gated() as patient, AnswersEarly() as hasty, Gated() as shadow:
        for count, origin in enumerate((patient, hasty), start=1):
            async with Gateway(mirrored(origin, shadow)) as gateway:
                async with Client(gateway) as client:
                    await client.send(begun)
                    await eventually(partial(has_come, shadow, count))
                    if origin is patient:
                        client.reset()
                    else:
                        assert (await client.response("POST")).status == 413
                await until_ended(gateway, 1, code="499")
                assert await drops(gateway, "incomplete") == 1


async def test_a_reload_leaves_copies_alone() -> None:
    """Those under way end as they began; the mirror is another one, or none, for what comes."""
    async with Origin(b"ours") as origin, Gated() as shadow, Origin(b"theirs") as other:
        shadow.gate.clear()
        async with Gateway(mirrored(origin, shadow)) as gateway:
            await ask(gateway, 5)
            await eventually(lambda: len(shadow.requests) == 5)
            assert (await gateway.reload(mirrored(origin, other)))[0] == 200
            await ask(gateway, 5)
            await eventually(lambda: len(other.requests) == 5)
            assert (await gateway.reload(configuration(origin, route='name = "all"')))[0] == 200
            await ask(gateway, 5)
            shadow.gate.set()
            await until_ended(gateway, 10, code="200")
            assert (len(shadow.requests), len(other.requests)) == (5, 5)


async def test_a_drain_does_not_wait_for_copies() -> None:
    """A worker whose last client has gone exits, whatever its mirror does."""
    async with Origin(b"ours") as origin, StallsBeforeHead() as shadow:
        text = mirrored(origin, shadow).replace('"5s"', '"60s"')
        async with Gateway(text) as gateway:
            await ask(gateway, 5)
            await eventually(lambda: len(shadow.requests) == 5)
            gateway.signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                assert await gateway.wait() == 0


async def test_a_copy_gives_way_to_requests() -> None:
    """Where descriptors run short, copies that hold some are cut off before a client is refused."""
    async with Gated() as origin, Gated() as shadow:
        origin.gate.clear()
        shadow.gate.clear()
        async with (
            Gateway(mirrored(origin, shadow), descriptors=120) as gateway,
            contextlib.AsyncExitStack() as stack,
        ):
            clients = [await stack.enter_async_context(Client(gateway)) for _ in range(30)]
            for number, client in enumerate(
                clients, 1
            ):  # one after the other: each has its copy before the next comes
                await client.send(GET)
                await eventually(partial(has_come, origin, number))
            origin.gate.set()
            for client in clients:
                assert (await client.response()).status == 200
            shadow.gate.set()
            await eventually(gateway.empty)
            assert await drops(gateway, "incomplete") > 0


async def test_it_is_explained() -> None:
    """``headgate explain`` names the mirror."""
    async with Origin(b"ours") as origin, Origin(b"theirs") as shadow:
        async with Gateway(mirrored(origin, shadow, percent=30)) as gateway:
            code, out, _ = await run_with("explain", str(gateway.file), "GET", "/")
            assert (code, "mirror    copies of 30 % to shadow" in out) == (0, True), out
