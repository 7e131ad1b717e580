"""Values are changed in a running gateway, take effect at every worker, outlive reloads, and are taken back."""

from typing import Any

import aiohttp

from tests.helpers import Gateway, Origin, configuration, eventually
from tests.helpers.gateway import run_with

LIMIT = 'name = "all"\nlimit = { rate = "1/h", burst = 1 }'


async def patch(gateway: Gateway, document: Any, **fields: str) -> tuple[int, dict[str, Any]]:
    """``PATCH /v1/overrides``."""
    async with aiohttp.ClientSession() as session:
        async with session.patch(gateway.admin + "/v1/overrides", json=document, headers=fields) as response:
            return response.status, await response.json()


async def ask(gateway: Gateway, times: int) -> list[int]:
    """The statuses of requests on connections of their own, so that every worker gets some."""
    statuses = []
    for _ in range(times):
        async with aiohttp.ClientSession() as session, session.get(gateway.url) as response:
            statuses.append(response.status)
    return statuses


async def test_a_limit_is_changed_by_command() -> None:
    """Both workers admit by the new rate when the command returns; it outlives a reload, and goes when it is unset."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, workers=2, route=LIMIT)) as gateway:
        assert await ask(gateway, 3) == [200, 429, 429]
        admin = ("--admin", gateway.admin)
        assert (await run_with("set", "routes.all.limit.rate", "1000000/s", *admin))[0] == 0
        code, out, _ = await run_with("set", "routes.all.limit.burst", "2000000", *admin)
        assert (code, out) == (0, "routes.all.limit.burst: 2000000\n")
        code, _, err = await run_with("unset", "routes.all.limit.rate", *admin)
        assert code == 1
        assert "routes.all.limit.burst: expected a burst that comes back within a year" in err
        assert 429 not in (await ask(gateway, 21))[1:], "the first may find the bucket as it was left"
        code, answer = await gateway.reload()
        assert (code, answer["warnings"]) == (200, [])
        assert set(await ask(gateway, 20)) == {200}
        (rate,) = (one for one in (await gateway.status())["overrides"] if one["key"].endswith("rate"))
        assert (rate["value"], "headgate set" in rate["by"]) == ("1000000/s", True)
        assert (await run_with("unset", "routes", *admin))[0] == 0
        assert 429 in await ask(gateway, 3)
        assert (await gateway.status())["overrides"] == []
        assert "headgate.audit: routes.all.limit.rate: as in the file, was 1000000/s" in gateway.stderr()


async def test_an_instance_is_disabled() -> None:
    """It gets no request from then on, also after a reload that leaves it out for a while; enabled, it gets some again."""
    async with Origin(b"one") as one, Origin(b"two") as two:
        both, single = configuration(one, two, workers=2), configuration(two, workers=2)
        async with Gateway(both) as gateway:
            instance = {"services": {"api": {"instances": {str(one.address): {"state": "disabled"}}}}}
            assert (await patch(gateway, instance))[0] == 200
            await ask(gateway, 20)
            assert (await gateway.instance(str(one.address)))["state"] == "disabled"
            assert len(one.requests) == 0
            assert (await gateway.reload(single))[0] == 200
            assert (await gateway.reload(both))[0] == 200
            await ask(gateway, 20)
            assert len(one.requests) == 0
            assert (await patch(gateway, {"services": None}))[0] == 200

            async def is_asked() -> bool:  # of what comes back slowly, one request of ten or more
                await ask(gateway, 10)
                return len(one.requests) > 0

            await eventually(is_asked)


async def test_a_weight_is_changed() -> None:
    """0 gets nothing any more."""
    async with Origin(b"one") as one, Origin(b"two") as two, Gateway(configuration(one, two)) as gateway:
        weight = {"services": {"api": {"instances": {str(two.address): {"weight": 0}}}}}
        assert (await patch(gateway, weight))[0] == 200
        await ask(gateway, 20)
        assert (len(one.requests), len(two.requests)) == (20, 0)


async def test_what_is_refused_changes_nothing() -> None:
    """Every mistake comes back with its path; a page in a browser is not let in."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=LIMIT)) as gateway:
        wrong = {
            "routes": {"all": {"limit": {"rate": "1000000/s", "burst": 0}}, "al": {"limit": {"rate": "1/s"}}}
        }
        code, answer = await patch(gateway, wrong)
        assert (code, answer["applied"], answer["epoch"]) == (422, False, 1)
        assert [mistake["path"] for mistake in answer["mistakes"]] == ["routes.all.limit.burst"]
        nobody = {
            "services": {"api": {"instances": {"127.0.0.1:1": {"weight": 2}}}},
            "routes": {"al": {"limit": {"burst": 2}}},
        }
        code, answer = await patch(gateway, nobody)
        assert {mistake["path"] for mistake in answer["mistakes"]} == {
            "routes.al.limit.burst",
            'services.api.instances."127.0.0.1:1"',
        }
        assert (await patch(gateway, {}, Origin="http://evil.example"))[0] == 403
        assert (await gateway.status())["overrides"] == []
        assert await ask(gateway, 2) == [200, 429]


async def test_an_override_whose_route_is_gone() -> None:
    """The reload says so; when the route is back, so is the override."""
    async with Origin(b"x") as origin, Gateway(configuration(origin, route=LIMIT)) as gateway:
        assert (await patch(gateway, {"routes": {"all": {"limit": {"burst": 3}}}}))[0] == 200
        _, answer = await gateway.reload(configuration(origin))
        assert answer["warnings"] == [
            "the override of routes.all.limit.burst has no effect: no route of this name"
        ]
        await gateway.reload(configuration(origin, route=LIMIT))
        assert await ask(gateway, 4) == [200, 200, 200, 429]
