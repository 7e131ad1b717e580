"""Listeners of mode "tcp" through the real command: what passes, every way to end, and what is told of it."""

import asyncio
import os
import signal
import socket
from collections import Counter
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.helpers import Client, Gateway, Origin, configuration, eventually
from tests.helpers.passage import Echo, Held, Keeper, passing
from tests.helpers.processes import private_bytes
from tests.helpers.redis import RedisServer, free_port

MIB = 1 << 20
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


async def ends(gateway: Gateway) -> dict[str, int]:
    """How connections have ended, by name."""
    counts: Counter[str] = Counter()
    for sample in await gateway.metrics():
        if sample.name == "headgate_passed_ends_total":
            counts[sample.labels["end"]] += int(sample.value)
    return dict(+counts)


async def has_ended(gateway: Gateway, **expected: int) -> None:
    """Waits until connections have ended like this, and nothing is held any more."""

    async def ended() -> bool:
        found = await ends(gateway)
        assert found == expected, found
        return await gateway.empty()

    await eventually(ended)


async def lines(gateway: Gateway) -> list[dict[str, Any]]:
    """Ends the gateway; its access log."""
    assert gateway.process is not None
    assert gateway.process.stdout is not None
    gateway.signal(signal.SIGTERM)
    text = await gateway.process.stdout.read()
    await gateway.wait()
    return [orjson.loads(line) for line in text.splitlines()]


def address_of(client: Client) -> tuple[str, int]:
    """Where a client sends from."""
    host, port = client.writer.get_extra_info("sockname")
    return str(host), int(port)


async def is_reset(reader: asyncio.StreamReader) -> bool:
    """Does the connection end with a reset, after whatever else comes?"""
    try:
        async with asyncio.timeout(20):
            while await reader.read(1 << 16):
                pass
    except ConnectionResetError:
        return True
    return False


async def is_refused(gateway: Gateway) -> bool:
    """Is a new connection reset, be it so soon that it hardly was one?"""
    try:
        async with Client(gateway) as client:
            return await is_reset(client.reader)
    except ConnectionResetError:
        return True


async def connected(client: Client, held: Held) -> None:
    """Waits until the gateway has both."""
    await client.send(b"?")
    assert await held.reader.readexactly(1) == b"?"


async def test_redis_is_reached_through_it() -> None:
    """A real client and a real server: commands, pipelines, subscriptions and large values pass; each connection is counted."""
    async with RedisServer() as server, Gateway(passing(server, access_log=True)) as gateway:
        client = Redis(port=gateway.port)
        other = Redis(port=gateway.port)
        large = os.urandom(4 * MIB)
        assert await client.set("large", large)
        assert await other.get("large") == large
        async with client.pipeline(transaction=True) as pipeline:
            for number in range(500):
                pipeline.incrby("sum", number)
            assert (await pipeline.execute())[-1] == 499 * 500 // 2
        async with other.pubsub() as subscription:
            await subscription.subscribe("news")
            assert (await subscription.get_message(timeout=5))["type"] == "subscribe"
            await client.publish("news", "told")
            assert (await subscription.get_message(timeout=5))["data"] == b"told"
        assert await gateway.in_flight() >= 1
        await client.aclose()
        await other.aclose()
        await eventually(gateway.empty)
        metrics = await gateway.metrics()
        connections = int(metrics.sum("headgate_passed_connections_total", service="db"))
        assert connections >= 2
        assert metrics.sum("headgate_passed_bytes_total", direction="received") > 4 * MIB
        assert metrics.sum("headgate_passed_bytes_total", direction="sent") > 4 * MIB
        assert len(await lines(gateway)) == connections


async def test_a_half_close_passes_both_ways() -> None:
    """Each side hears the other's FIN and may go on; after both the connection is closed, and was so cleanly."""
    async with Keeper() as keeper, Gateway(passing(keeper)) as gateway:
        async with Client(gateway) as client:
            held = await keeper.held()
            await client.send(b"question")
            client.finish()
            assert await held.reader.read() == b"question"
            await held.send(b"answer")
            assert await client.reader.readexactly(6) == b"answer"
            held.finish()
            assert await client.reader.read() == b""
        async with Client(gateway) as client:
            held = await keeper.held()
            await held.send(b"greeting")
            held.finish()
            assert await client.reader.read() == b"greeting"
            await client.send(b"still heard")
            client.finish()
            assert await held.reader.read() == b"still heard"
        await has_ended(gateway, closed=2)


async def test_a_reset_passes_as_a_reset() -> None:
    """Neither side takes the other's failure for a clean end."""
    async with Keeper() as keeper, Gateway(passing(keeper)) as gateway:
        async with Client(gateway) as client:
            held = await keeper.held()
            await connected(client, held)
            client.reset()
            assert await is_reset(held.reader)
        await has_ended(gateway, client_reset=1)
        async with Client(gateway) as client:
            held = await keeper.held()
            await connected(client, held)
            held.reset()
            assert await is_reset(client.reader)
        await has_ended(gateway, client_reset=1, instance_reset=1)


async def test_what_comes_before_the_instance_has_accepted_is_not_lost() -> None:
    """A client that speaks at once, and one that has said everything before: bytes and FIN wait for the connection."""
    async with Keeper() as keeper, Gateway(passing(keeper)) as gateway:
        async with Client(gateway) as client:
            await client.send(b"early")
            client.finish()
            held = await keeper.held()
            assert await held.reader.read() == b"early"
            await held.send(b"late")
            held.finish()
            assert await client.reader.read() == b"late"
        await has_ended(gateway, closed=1)


async def test_64_megabytes_both_ways_at_once() -> None:
    """Every byte arrives in its order, and all are counted."""
    size = 64 * MIB
    data = os.urandom(MIB)

    async def fill(client: Client) -> None:
        for _ in range(size // MIB):
            await client.send(data)
        client.finish()

    async with Echo() as echo, Gateway(passing(echo, access_log=True)) as gateway:
        async with Client(gateway, limit=4 * MIB) as client:
            sending = asyncio.create_task(fill(client))
            for _ in range(size // MIB):
                assert await client.reader.readexactly(MIB) == data
            assert await client.reader.read() == b""
            await sending
        await has_ended(gateway, closed=1)
        metrics = await gateway.metrics()
        for direction in ("received", "sent"):
            assert metrics.sum("headgate_passed_bytes_total", direction=direction) == size
        (line,) = await lines(gateway)
        assert (line["bytes_received"], line["bytes"], line["reason"]) == (size, size, None)


async def fill_up(side: Client | Held) -> int:
    """Sends until nothing was taken for half a second; how much that was, with what is left in its own buffer."""
    sent = 0
    while sent < 256 * MIB:
        sent += MIB
        try:
            async with asyncio.timeout(0.5):
                await side.send(bytes(MIB))
        except TimeoutError:
            return sent
    raise AssertionError("nobody holds the sender back")


@pytest.mark.parametrize("slow", ["client", "instance"])
async def test_a_slow_reader_costs_bounded_memory_and_loses_nothing(slow: str) -> None:
    """The sender is held back; when the reader goes on, all of it arrives."""
    async with Keeper() as keeper, Gateway(passing(keeper)) as gateway:
        async with Client(gateway, receive_buffer=4096) as client:
            held = await keeper.held()
            one: Client | Held
            other: Client | Held
            one, other = (client, held) if slow == "client" else (held, client)
            one.writer.transport.pause_reading()  # type: ignore[attr-defined]
            before = private_bytes(gateway.workers[0])
            sent = await fill_up(other)
            assert private_bytes(gateway.workers[0]) - before < MIB // 2
            one.writer.transport.resume_reading()  # type: ignore[attr-defined]
            other.finish()
            read = 0
            while data := await one.reader.read(1 << 16):
                read += len(data)
            assert read == sent
            one.finish()
        await has_ended(gateway, closed=1)


def unused() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_port()}"


async def test_a_connect_that_fails_goes_to_the_next_instance_and_counts() -> None:
    """The client notices nothing; the instance that refuses is ejected after enough failures."""
    dead = unused()
    service = 'balance = "round_robin"\npassive = { failures = 3, ejection = "1m" }'
    async with Echo() as echo, Gateway(passing(dead, echo, service=service, access_log=True)) as gateway:

        async def ejected() -> bool:
            async with Client(gateway) as client:
                await client.send(b"x")
                assert await client.reader.readexactly(1) == b"x"
            return bool((await gateway.instance(dead))["state"] == "ejected")

        await eventually(ejected, within=20)
        await eventually(gateway.empty)
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_retries_total") >= 3
        assert set(await ends(gateway)) <= {"closed", "client_reset"}
        told = await lines(gateway)
        assert {line["instance"] for line in told} == {echo.address}
        assert {1, 2} >= {line["tries"] for line in told} >= {2}


async def test_without_an_instance_a_connection_is_reset_and_counted() -> None:
    """Nobody accepts: connection_refused. All are known to be unhealthy: destination_unavailable."""
    health = 'health = { type = "tcp", interval = "100ms", fall = 1 }\npanic = "0%"\npassive = false'
    dead = unused()
    async with Gateway(passing(dead, access_log=True)) as gateway:
        assert await is_refused(gateway)
        await has_ended(gateway, connection_refused=1)
        (line,) = await lines(gateway)
        assert (line["reason"], line["instance"], line["status"]) == ("connection_refused", dead, None)
    async with Gateway(passing(dead, service=health)) as gateway:

        async def unhealthy() -> bool:
            return bool((await gateway.instance(dead))["state"] == "unhealthy")

        await eventually(unhealthy)
        assert await is_refused(gateway)
        await has_ended(gateway, destination_unavailable=1)


async def test_an_instance_that_dies_ends_its_connections_only() -> None:
    """Its clients hear of it, the next ones go to the instance that is left."""
    async with RedisServer() as dies, RedisServer() as lives:
        configured = passing(dies, lives, service='balance = "round_robin"')
        async with Gateway(configured) as gateway:
            once = Retry(NoBackoff(), 0)
            clients = [Redis(port=gateway.port, single_connection_client=True, retry=once) for _ in range(4)]
            for client in clients:
                await client.ping()
            await dies.kill()
            outcomes = await asyncio.gather(*(client.ping() for client in clients), return_exceptions=True)
            lost = [outcome for outcome in outcomes if outcome is not True]
            assert len(lost) == 2
            assert all(isinstance(error, RedisConnectionError) for error in lost), lost
            for client in clients:
                assert await client.ping()  # redis-py connects again
                await client.aclose()
            await eventually(gateway.empty)


async def test_caps_count_connections_and_a_queue_waits_for_one() -> None:
    """At the cap a further connection is reset; with a queue it waits, and gets the place that comes free."""
    async with Keeper() as keeper:
        instance = f'{{ address = "{keeper.address}", max_in_flight = 1 }}'
        async with Gateway(passing(instance)) as gateway:
            async with Client(gateway) as client:
                held = await keeper.held()
                assert await is_refused(gateway)
                held.finish()
                client.finish()
            await has_ended(gateway, connection_limit_reached=1, closed=1)
        queued = 'queue = { timeout = "20s" }'
        async with Gateway(passing(instance, workers=2, service=queued)) as gateway:
            async with Client(gateway) as first:
                before = await keeper.held()
                async with Client(gateway) as second:
                    await second.send(b"waits")

                    async def waiting() -> bool:
                        return (await gateway.metrics()).sum("headgate_queue_depth") == 1

                    await eventually(waiting)
                    before.finish()
                    first.finish()
                    held = await keeper.held()
                    assert await held.reader.readexactly(5) == b"waits"
                    held.finish()
            await has_ended(gateway, closed=2)


async def test_a_client_has_so_many_connections() -> None:
    """One more is reset and reaches no instance, which metrics and access log tell."""
    async with Echo() as echo:
        text = passing(echo, workers=2, listen="max = { connections_per_client = 2 }", access_log=True)
        async with Gateway(text) as gateway, Client(gateway) as one, Client(gateway) as two:
            for client in (one, two):
                await client.send(b"x")
                assert await client.reader.readexactly(1) == b"x"
            assert await is_refused(gateway)
            async with Client(gateway, source="127.0.0.2") as other:
                await other.send(b"x")
                assert await other.reader.readexactly(1) == b"x"
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_connections_rejected_total") == 1
            assert metrics.sum("headgate_passed_connections_total", service="db") == 4
            assert (await ends(gateway))["connection_limit_reached"] == 1
            assert echo.count == 3
            (refused,) = [line for line in await lines(gateway) if line["instance"] is None]
            assert (refused["client"], refused["service"]) == ("127.0.0.1", "db")
            assert refused["reason"] == "connection_limit_reached"


def v2(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """A header of version 2 for IPv4."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    return SIGNATURE + b"\x21\x11\x00\x0c" + addresses + source[1].to_bytes(2) + destination[1].to_bytes(2)


def v1(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """A header of version 1 for IPv4."""
    return f"PROXY TCP4 {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()


@pytest.mark.parametrize(("version", "header"), [("v1", v1), ("v2", v2)])
async def test_the_instance_gets_a_header_with_both_ends(version: str, header: Any) -> None:
    """Byte for byte, before the first byte of the client; from a balancer's header, the ends are those that it names."""
    service = f'proxy_protocol = "{version}"'
    async with Keeper() as keeper:
        async with (
            Gateway(passing(keeper, service=service)) as gateway,
            Client(gateway, source="127.0.0.9") as client,
        ):
            await client.send(b"first")
            held = await keeper.held()
            expected = header(address_of(client), ("127.0.0.1", gateway.port)) + b"first"
            assert await held.reader.readexactly(len(expected)) == expected
        trusted = 'trusted_proxies = ["127.0.0.1"]'
        asking = passing(keeper, gateway=trusted, listen="proxy_protocol = true", service=service)
        async with Gateway(asking) as gateway, Client(gateway) as balancer:
            named = (("192.0.2.1", 4711), ("198.51.100.1", 80))
            await balancer.send_split(v1(*named) + b"first")
            held = await keeper.held()
            expected = header(*named) + b"first"
            assert await held.reader.readexactly(len(expected)) == expected
            async with Client(gateway, source="127.0.0.9") as stranger:
                await stranger.send(v1(*named))
                assert await stranger.at_end() == b""
            assert keeper.count == 2


@pytest.mark.parametrize(
    ("version", "header"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", SIGNATURE + b"\x20\0\0\0")]
)
async def test_of_a_unix_socket_no_ends_are_known(version: str, header: bytes, tmp_path: Any) -> None:
    """The header says so."""
    path = tmp_path / "edge"
    async with (
        Keeper() as keeper,
        Gateway(passing(keeper, address=f"unix:{path}", service=f'proxy_protocol = "{version}"')),
    ):
        _, writer = await asyncio.open_unix_connection(path)
        held = await keeper.held()
        assert await held.reader.readexactly(len(header)) == header
        writer.close()


async def test_an_idle_connection_is_ended_and_one_that_moves_is_not() -> None:
    """timeouts.tunnel counts from the last byte in either direction; the end is a reset."""
    service = 'timeouts = { tunnel = "400ms" }'
    async with Echo() as echo, Gateway(passing(echo, service=service)) as gateway:
        async with Client(gateway) as idle, Client(gateway) as busy:

            async def move() -> None:
                while True:
                    await busy.send(b"x")
                    assert await busy.reader.readexactly(1) == b"x"
                    await asyncio.sleep(0.05)

            moving = asyncio.create_task(move())
            assert await is_reset(idle.reader)
            assert await ends(gateway) == {"idle_timeout": 1}
            moving.cancel()
            assert not moving.done()


async def test_clients_stay_with_their_instance_by_hash() -> None:
    """The key of a connection is its client's address; others are spread over the instances."""
    service = 'balance = "hash"\nhash = { key = "client_ip" }'
    async with Echo() as one, Echo() as two, Echo() as three:
        async with Gateway(passing(one, two, three, service=service, access_log=True)) as gateway:
            for _ in range(3):
                for number in range(1, 13):
                    async with Client(gateway, source=f"127.0.0.{number}") as client:
                        await client.send(b"x")
                        assert await client.reader.readexactly(1) == b"x"
            await eventually(gateway.empty)
            told = await lines(gateway)
        chosen: dict[str, set[str]] = {}
        for line in told:
            chosen.setdefault(line["client"], set()).add(line["instance"])
        assert all(len(instances) == 1 for instances in chosen.values())
        assert len(set.union(*chosen.values())) > 1


async def test_requests_and_connections_side_by_side() -> None:
    """A listener of each kind leads to the same service, and both are counted apart."""
    async with Origin(b"x") as origin:
        more = '[[listen]]\naddress = "127.0.0.2:0"\nmode = "tcp"\nservice = "api"'
        async with Gateway(configuration(origin, listen=more)) as gateway:
            urls = await gateway.listeners()
            assert urls["127.0.0.1:0"].startswith("http://")
            assert urls["127.0.0.2:0"].startswith("tcp://127.0.0.2:")
            port = int(urls["127.0.0.2:0"].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.2", port)
            writer.write(GET)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            async with Client(gateway) as client:
                assert (await client.exchange(GET))[0].status == 200
            writer.close()
            await writer.wait_closed()
            assert [len(request.fields.all("x-forwarded-for")) for request in origin.requests] == [0, 1]
            metrics = await gateway.metrics()
            assert metrics.sum("headgate_requests_total") == 1
            assert (
                metrics.sum("headgate_passed_connections_total", service="api", listener="127.0.0.2:0") == 1
            )


async def test_a_reload_loses_no_connection_and_moves_the_next_ones() -> None:
    """Connections that are there go on with their instance, also when their listener leads elsewhere, or is gone."""
    async with Keeper() as old, Keeper() as new, Gateway(passing(old, workers=2)) as gateway:
        async with Client(gateway) as first:
            before = await old.held()
            code, _ = await gateway.reload(passing(new, workers=2))
            assert code == 200
            async with Client(gateway) as second:
                after = await new.held()
                for client, held in ((first, before), (second, after)):
                    await client.send(b"there")
                    assert await held.reader.readexactly(5) == b"there"
                    await held.send(b"and back")
                    assert await client.reader.readexactly(8) == b"and back"
                code, _ = await gateway.reload(passing(new, workers=2, address="127.0.0.2:0"))
                assert code == 200
                await first.send(b"still")
                assert await before.reader.readexactly(5) == b"still"
                before.finish()
                after.finish()
                assert await first.reader.read() == b""
        await has_ended(gateway, closed=2)


async def test_a_stop_lets_connections_finish_and_resets_what_is_left() -> None:
    """Within the drain time they go on; at its end they are cut, and are told so by a reset."""
    async with Keeper() as keeper:
        text = passing(keeper, drain="1500ms", access_log=True)
        async with Gateway(text) as gateway, Client(gateway) as finishes:
            finishing = await keeper.held()
            async with Client(gateway) as stays:
                await keeper.held()
                told = asyncio.create_task(lines(gateway))
                await eventually(lambda: "draining" in gateway.stderr())
                await finishes.send(b"last")
                assert await finishing.reader.readexactly(4) == b"last"
                finishing.finish()
                assert await finishes.reader.read() == b""
                finishes.finish()
                assert await is_reset(stays.reader)
                assert [line["reason"] for line in await told] == [None, "cut"]
