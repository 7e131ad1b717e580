"""A limit admits burst + rate × time for one client, however many workers there are."""

import asyncio
import itertools
import time
from collections import Counter

import pytest

from tests.helpers import Client, Gateway, Origin, Reply, configuration
from tests.helpers.proof import PROOF

PATIENCE = 20.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_beyond_the_burst_comes_429() -> None:
    """A refused request gets 429 with Retry-After and never reaches an instance; the connection stays."""
    text_limit = 'limit = { rate = "1/m", burst = 3, key = "client_ip" }'
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=text_limit)) as gateway:
        async with Client(gateway) as client:
            responses = [response for _ in range(5) for response in await client.exchange(GET)]
        assert [response.status for response in responses] == [200, 200, 200, 429, 429]
        assert len(origin.requests) == 3
        refused = responses[-1]
        assert 50 <= int(refused.fields.one("retry-after") or 0) <= 60
        assert (refused.fields.one("proxy-status") or "").startswith("headgate")
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_limit_decisions_total", decision="allowed") == 3
        assert metrics.sum("headgate_limit_decisions_total", decision="refused") == 2
        assert metrics.sum("headgate_requests_total", code="429") == 2


async def test_one_client_is_another_than_the_next() -> None:
    """Each client address has a bucket of its own."""
    limit = 'limit = { rate = "1/h", burst = 1, key = "client_ip" }'
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=limit)) as gateway:
        statuses = []
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(address, 0))
            writer.write(GET)
            statuses.append((await reader.readline()).split()[1])
            writer.close()
            await writer.wait_closed()
        assert statuses == [b"200", b"200", b"429"]


async def test_keys_of_several_parts_and_of_services() -> None:
    """A tenant is told by its header within a path; what all of them send meets the limit of the service."""
    limit = 'limit = { rate = "1/h", burst = 2, key = ["header:X-Tenant", "path"], missing = "refuse" }'
    of_service = 'limit = { rate = "1/h", burst = 5, key = "service" }'
    async with Origin(b"x") as origin:
        text = configuration(origin, route=limit, service=of_service)
        async with Gateway(text) as gateway, Client(gateway) as client:

            async def ask(path: str, tenant: str | None) -> int:
                field = f"X-Tenant: {tenant}\r\n" if tenant is not None else ""
                text = f"GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n"
                return (await client.exchange(text.encode()))[0].status

            assert await ask("/", None) == 400
            assert [await ask("/", "a") for _ in range(3)] == [200, 200, 429]
            assert [await ask("/b", "a"), await ask("/", "b"), await ask("/?x=1", "b")] == [200, 200, 200]
            assert await ask("/c", "c") == 429
            metrics = await gateway.metrics()
        name = "headgate_limit_decisions_total"
        assert metrics.sum(name, service="api", decision="allowed") == 5
        assert metrics.sum(name, service="api", decision="refused") == 1
        assert metrics.sum(name, service="", decision="key_missing") == 1
        assert metrics.sum("headgate_limit_table_keys") == 4
        assert metrics.sum("headgate_limit_table_slots") >= 2_000_000
    assert len(origin.requests) == 5


async def test_an_answer_states_its_cost_and_the_client_what_is_left() -> None:
    """What the origin says is taken from the bucket, and the next answers tell of it."""
    limit = 'limit = { rate = "1/h", burst = 10, cost = { response_header = "X-Cost" }, fields = "all" }'
    reply = Reply(body=b"x", fields=[("X-Cost", "4")])
    async with Origin(reply) as origin, Gateway(configuration(origin, route=limit)) as gateway:
        async with Client(gateway) as client:
            responses = [response for _ in range(4) for response in await client.exchange(GET)]
        assert [response.status for response in responses] == [200, 200, 200, 429]
        left = [response.fields.one("ratelimit") for response in responses]
        assert [(text or "").split(";")[1] for text in left] == ["r=6", "r=2", "r=0", "r=0"]
        assert {response.fields.one("ratelimit-policy") for response in responses} == {
            '"default";q=10;w=36000'
        }
        assert responses[0].fields.one("x-cost") == "4"
        assert 7_190 <= int(responses[3].fields.one("retry-after") or 0) <= 7_200


async def test_a_shadow_refuses_nobody() -> None:
    """It tells in the metrics whom it would have refused."""
    limit = 'limit = { rate = "1/h", burst = 2, mode = "shadow" }'
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=limit)) as gateway:
        async with Client(gateway) as client:
            responses = [response for _ in range(5) for response in await client.exchange(GET)]
        assert {response.status for response in responses} == {200}
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_limit_decisions_total", decision="would_refuse") == 3


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("keys", [1, 100])
async def test_a_bucket_is_exact_over_all_workers(workers: int, keys: int) -> None:
    """Measured at the origin, for each key: at most burst + rate × t + 1, and at least 99.5 % of it."""
    seconds = 10.0 if PROOF else 1.0
    rate, burst = (50, 50) if keys == 1 else (1, 5)
    rate, burst = (5 * rate, 5 * burst) if PROOF else (rate, burst)

    def is_overload(requests: int, elapsed: float) -> bool:
        return requests > 1.2 * keys * (burst + rate * elapsed)

    limit = f'limit = {{ rate = "{rate}/s", burst = {burst}, key = "header:X-Key" }}'
    async with (
        Origin(b"x") as origin,
        Gateway(configuration(origin, workers=workers, route=limit)) as gateway,
    ):
        started = time.monotonic()
        answered: list[float] = []
        sent = started
        turn = itertools.count()

        async def press() -> None:
            nonlocal sent
            async with Client(gateway) as client:
                # On a busy machine it takes longer until more has come than the limit lets through.
                while (elapsed := time.monotonic() - started) < PATIENCE and (
                    elapsed < seconds or not is_overload(len(answered), elapsed)
                ):
                    key = f"X-Key: {next(turn) % keys}\r\n\r\n".encode()
                    sent = time.monotonic()
                    await client.exchange(GET.removesuffix(b"\r\n") + key)
                    answered.append(time.monotonic())

        async with asyncio.TaskGroup() as group:
            for _ in range(32):
                group.create_task(press())
        assert len((await gateway.status())["workers"]) == workers
        # The first request was judged before its answer came, the last one after it was sent.
        longest, shortest = max(answered) - started, sent - min(answered)
        assert is_overload(len(answered), longest), "the load was too small to prove anything"
        admitted = Counter(request.fields.one("x-key") for request in origin.requests)
        assert len(admitted) == keys
        assert max(admitted.values()) <= burst + rate * longest + 1
        # One token more may be in each bucket that nobody had asked for when the load ended.
        assert admitted.total() >= 0.995 * keys * (burst + rate * shortest) - keys
