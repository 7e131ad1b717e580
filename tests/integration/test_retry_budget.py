"""Retries do not add up to a second load: over all workers a service gets no more than its budget."""

import contextlib

import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.vices import ClosesAtFirst, RefusesConnect

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
REQUESTS = 12
ALWAYS = 1_000_000


@pytest.mark.parametrize(
    ("budget", "retried"), [('{ share = "1%", floor = "30/m" }', 5), ("false", REQUESTS)]
)
async def test_retries_end_with_the_budget(budget: str, retried: int) -> None:
    """While everything fails, so many retries go out as the floor has in 10 s; the rest fail at once with their own reason."""
    service = f"passive = false\nretry_budget = {budget}"
    async with ClosesAtFirst(ALWAYS) as one, ClosesAtFirst(ALWAYS) as two:
        text = configuration(one, two, workers=2, service=service, route="retry = { attempts = 1 }")
        async with Gateway(text) as gateway:
            for _ in range(REQUESTS):
                async with Client(gateway) as client:
                    (response,) = await client.exchange(GET)
                assert response.status == 502
                assert "connection_terminated" in (response.fields.one("proxy-status") or "")
            metrics = await gateway.metrics()
    assert metrics.sum("headgate_retries_total") == retried
    assert metrics.sum("headgate_retries_over_budget_total") == REQUESTS - retried


async def test_requests_earn_retries() -> None:
    """With one of two instances down, a fifth of the requests may be sent again."""
    service = 'passive = false\nbalance = "round_robin"\nretry_budget = { share = "20%", floor = "1/m" }'
    async with (
        Origin(b"x") as origin,
        ClosesAtFirst(ALWAYS) as down,
        Gateway(configuration(origin, down, workers=1, service=service)) as gateway,
        Client(gateway) as client,
    ):
        statuses = [(await client.exchange(GET))[0].status for _ in range(100)]
        metrics = await gateway.metrics()
    retried = metrics.sum("headgate_retries_total")
    assert 10 <= retried <= 20
    assert metrics.sum("headgate_retries_over_budget_total") == statuses.count(502) > 0
    assert statuses.count(200) == 100 - statuses.count(502)


async def test_who_never_got_a_request_costs_no_retry() -> None:
    """A killed instance fails no request, however many there are before it is ejected and however small the budget is."""
    service = 'passive = false\nbalance = "round_robin"\nretry_budget = { share = "1%", floor = "1/m" }'
    with contextlib.closing(RefusesConnect()) as down:
        async with (
            Origin(b"x") as origin,
            Gateway(configuration(origin, down, workers=1, service=service)) as gateway,
            Client(gateway) as client,
        ):
            statuses = {(await client.exchange(GET))[0].status for _ in range(100)}
            metrics = await gateway.metrics()
    assert statuses == {200}
    assert metrics.sum("headgate_retries_total") >= 50
    assert metrics.sum("headgate_retries_over_budget_total") == 0
