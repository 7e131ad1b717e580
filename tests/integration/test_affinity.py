"""Where requests of one user go: hashed by a key, or by a cookie; several workers, failures, reloads and another gateway."""

import re
from contextlib import AsyncExitStack

from tests.helpers import Client, Gateway, Origin, configuration
from tests.helpers.client import Response
from tests.helpers.patience import eventually

SECRET = {"COOKIE_SECRET": "a secret of this test alone"}
HASHED = 'balance = "hash"\nhash = { key = "header:X-User" }'
STICKY = 'balance = "sticky"\nsticky = { cookie = "hg", secret = "${env:COOKIE_SECRET}" }'
USERS = [f"user-{number}" for number in range(60)]


async def origins(stack: AsyncExitStack, count: int) -> list[Origin]:
    """Origins that answer with their name."""
    return [await stack.enter_async_context(Origin(f"{number}".encode())) for number in range(count)]


async def get(gateway: Gateway, fields: str = "") -> Response:
    """One request on a connection of its own, so that any worker may get it."""
    async with Client(gateway) as client:
        (response,) = await client.exchange(f"GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        assert response.status == 200
        return response


async def places(gateway: Gateway) -> dict[str, bytes]:
    """Which origin answers each of the users."""
    return {user: (await get(gateway, f"X-User: {user}\r\n")).body.data for user in USERS}


def cookie(response: Response) -> str | None:
    """The cookie that a response sets, as a client brings it."""
    line = response.fields.one("set-cookie")
    if line is None:
        return None
    match = re.fullmatch(r"(hg=[0-9a-f]{48}); Path=/; HttpOnly; SameSite=Lax", line)
    assert match is not None, line
    return f"Cookie: theme=dark; {match[1]}\r\n"


async def test_a_user_keeps_its_instance_whoever_leaves() -> None:
    """Over four workers and two gateways a key has one place; an instance that is gone takes only its own keys along, and
    has them again when it is back.
    """
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 4)
        text = configuration(*servers, service=f'{HASHED}\nslow_start = "0s"', workers=4)
        gateway = await stack.enter_async_context(Gateway(text))
        before = await places(gateway)
        assert set(before.values()) == {b"0", b"1", b"2", b"3"}
        assert await places(gateway) == before
        other = await stack.enter_async_context(Gateway(text))
        assert await places(other) == before
        status, answer = await gateway.reload(
            configuration(*servers[1:], service=f'{HASHED}\nslow_start = "0s"', workers=4)
        )
        assert status == 200, answer

        async def moved() -> bool:
            after = await places(gateway)
            return all(after[user] == was or was == b"0" for user, was in before.items()) and b"0" not in set(
                after.values()
            )

        await eventually(moved, why="only the keys of the instance that left have moved")
        assert (await gateway.reload(text))[0] == 200
        await eventually(lambda: _same(gateway, before), why="every key is where it was")


async def _same(gateway: Gateway, before: dict[str, bytes]) -> bool:
    return await places(gateway) == before


async def test_an_instance_that_refuses_is_passed_over() -> None:
    """A connect that fails is tried again at the next instance of the key's, the same for every request of it."""
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 3)
        gateway = await stack.enter_async_context(Gateway(configuration(*servers, service=HASHED)))
        before = await places(gateway)
        await servers[0].stop()
        after = await places(gateway)
        assert all(after[user] == was for user, was in before.items() if was != b"0")
        assert {after[user] for user, was in before.items() if was == b"0"} <= {b"1", b"2"}
        assert await places(gateway) == after


async def test_requests_without_the_key_are_answered() -> None:
    """They go where there is room, as by p2c."""
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 2)
        gateway = await stack.enter_async_context(Gateway(configuration(*servers, service=HASHED)))
        answered = {(await get(gateway)).body.data for _ in range(30)}
        assert answered == {b"0", b"1"}


async def test_a_service_begins_and_ends_to_hash() -> None:
    """A reload draws the ring, and another one withdraws it."""
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 2)
        plain = configuration(*servers)
        gateway = await stack.enter_async_context(Gateway(plain))
        assert (await gateway.reload(configuration(*servers, service=HASHED)))[0] == 200
        before = await places(gateway)
        assert await places(gateway) == before
        assert (await gateway.reload(plain))[0] == 200

        async def scattered() -> bool:
            return len({(await get(gateway, "X-User: one\r\n")).body.data for _ in range(20)}) == 2

        await eventually(scattered, why="a key has no place any more")


async def test_a_client_stays_with_its_instance() -> None:
    """The first answer sets a cookie, and whichever worker gets a request with it sends it to the same instance."""
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 3)
        gateway = await stack.enter_async_context(
            Gateway(configuration(*servers, service=STICKY, workers=4), environment=SECRET)
        )
        for _ in range(5):
            first = await get(gateway)
            fields = cookie(first)
            assert fields is not None
            for _ in range(8):
                again = await get(gateway, fields)
                assert (again.body.data, cookie(again)) == (first.body.data, None)


async def test_a_cookie_outlives_the_gateway_and_not_its_secret() -> None:
    """Another gateway with the same secret knows it; to one with another secret it is none."""
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 3)
        text = configuration(*servers, service=STICKY)
        async with Gateway(text, environment=SECRET) as gateway:
            first = await get(gateway)
            fields = cookie(first)
            assert fields is not None
        async with Gateway(text, environment=SECRET) as gateway:
            for _ in range(5):
                again = await get(gateway, fields)
                assert (again.body.data, cookie(again)) == (first.body.data, None)
        async with Gateway(text, environment={"COOKIE_SECRET": "another secret than before"}) as gateway:
            assert cookie(await get(gateway, fields)) is not None


async def test_a_client_whose_instance_is_gone_gets_another() -> None:
    """Its request is answered, and the answer sets the cookie of the one that did."""
    async with AsyncExitStack() as stack:
        servers = await origins(stack, 2)
        gateway = await stack.enter_async_context(
            Gateway(configuration(*servers, service=STICKY), environment=SECRET)
        )
        first = await get(gateway)
        fields = cookie(first)
        assert fields is not None
        await servers[int(first.body.data)].stop()
        second = await get(gateway, fields)
        assert second.body.data != first.body.data
        fields = cookie(second)
        assert fields is not None
        third = await get(gateway, fields)
        assert (third.body.data, cookie(third)) == (second.body.data, None)


async def test_the_secret_is_nowhere_to_be_seen() -> None:
    """Neither the log nor the status nor the metrics have it."""
    async with (
        Origin(b"x") as origin,
        Gateway(configuration(origin, service=STICKY), environment=SECRET) as gateway,
    ):
        await get(gateway)
        for path in ("/v1/status", "/metrics"):
            assert SECRET["COOKIE_SECRET"].encode() not in (await gateway.get(path))[1]
        assert SECRET["COOKIE_SECRET"] not in gateway.stderr()
