"""Routes whose requests go to one of several services: by percentage, by name, and together with those of their client."""

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.gateway import run_with
from tests.helpers.proof import PROOF

REQUESTS = 100_000 if PROOF else 2_000
TOLERANCE = 0.01 if PROOF else 0.052
"""Of a share of 30 %: seven standard deviations of 100,000 requests, and five of 2,000."""
BATCH = 100


def splitting(stable: Origin, canary: Origin, *, weight: int = 30, workers: int = 1, more: str = "") -> str:
    """So many percent of all requests go to ``canary``."""
    services = f'[services.canary]\ninstances = ["{canary.address}"]\n[services.other]\ninstances = ["{stable.address}"]'
    split = f'split = [{{ service = "api", weight = {100 - weight} }}, {{ service = "canary", weight = {weight} }}]'
    other = 'path = "/other"\nservice = "other"'
    text = configuration(
        stable, workers=workers, services=services, routes=[f'name = "all"\n{split}\n{more}', other]
    )
    return text.replace('[[routes]]\nservice = "api"\n', "")


async def ask(gateway: Gateway, count: int, fields: str = "") -> Counter[bytes]:
    """Which sides so many requests of one connection got to."""
    request = f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()
    seen: Counter[bytes] = Counter()
    async with Client(gateway) as client:
        for _ in range(0, count, BATCH):
            batch = min(BATCH, count)
            answers = await client.exchange(request * batch, ["GET"] * batch)
            seen.update(response.body.data for response in answers)
    return seen


async def test_shares_are_kept() -> None:
    """As closely as chance allows, and as each service's own requests are counted."""
    async with Origin(b"stable") as stable, Origin(b"canary") as canary:
        async with Gateway(splitting(stable, canary, workers=2)) as gateway:
            halves = await asyncio.gather(*[ask(gateway, REQUESTS // 2) for _ in range(2)])
            seen = halves[0] + halves[1]
            assert abs(seen[b"canary"] / REQUESTS - 0.3) <= TOLERANCE, seen
            metrics = await gateway.metrics()
            counted = metrics.sum("headgate_requests_total", route="all", service="canary", code="200")
            assert counted == seen[b"canary"]


async def test_a_request_names_its_side_and_a_client_stays_at_its_own() -> None:
    """At every worker and after a restart; who names nothing that there is goes where its key is."""
    rules = 'split_by = "header:X-Side"\nsplit_sticky = "cookie:user"'
    async with Origin(b"stable") as stable, Origin(b"canary") as canary:
        text = splitting(stable, canary, workers=2, more=rules)

        async def sides(gateway: Gateway) -> list[bytes]:
            found = []
            for user in range(30):
                seen = await ask(gateway, 1, f"Cookie: a=b; user={user}\r\n")
                seen += await ask(gateway, 1, f"Cookie: user={user}\r\nX-Side: none\r\n")
                assert len(seen) == 1, user
                found.extend(seen)
            return found

        async with Gateway(text) as gateway:
            assert await ask(gateway, 50, "X-Side: canary\r\nCookie: user=1\r\n") == {b"canary": 50}
            assert await ask(gateway, 50, "X-Side: api\r\n") == {b"stable": 50}
            before = await sides(gateway)
            assert set(before) == {b"stable", b"canary"}
        async with Gateway(text) as gateway:
            assert await sides(gateway) == before


async def test_a_release_is_rolled_out_at_run_time() -> None:
    """Clients only ever move to the side that grows; each step is in force when the command returns."""
    async with Origin(b"stable") as stable, Origin(b"canary") as canary:
        text = splitting(stable, canary, weight=0, workers=2, more='split_sticky = "header:X-User"')
        async with Gateway(text) as gateway:
            admin, moved = ("--admin", gateway.admin), set()
            for weight in (0, 10, 50, 100):
                code, out, err = await run_with("set", "routes.all.split.canary", str(weight), *admin)
                assert (code, err) == (0, ""), out
                new = {
                    user for user in range(30) if b"canary" in await ask(gateway, 1, f"X-User: {user}\r\n")
                }
                assert new >= moved, "somebody went back"
                assert len(new) == {0: 0, 100: 30}.get(weight, len(new))
                moved = new
            code, _, err = await run_with("set", "routes.all.split.api", "1", *admin)
            assert (code, "add up to 101, expected 100" in err) == (1, True), err
            assert (await run_with("unset", "routes.all.split", *admin))[0] == 0
            assert await ask(gateway, 20) == {b"stable": 20}


@pytest.mark.parametrize("patch", [{"api": 30, "canary": 60}, {"nobody": 10}, {"canary": 101}])
async def test_a_split_that_does_not_add_up_is_refused(patch: dict[str, int]) -> None:
    """As a whole: nothing of it is in force."""
    async with Origin(b"stable") as stable, Origin(b"canary") as canary:
        async with (
            Gateway(splitting(stable, canary, weight=0)) as gateway,
            aiohttp.ClientSession() as session,
        ):
            body = {"routes": {"all": {"split": patch}}}
            async with session.patch(gateway.admin + "/v1/overrides", json=body) as response:
                assert response.status == 422, await response.text()
            assert await ask(gateway, 20) == {b"stable": 20}
