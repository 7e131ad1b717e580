"""Active checks take a dead instance out and let it in again."""

from tests.helpers import Client, Gateway, Origin, Reply, Request, configuration, eventually, vices

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHECK = 'health = { path = "/healthz", interval = "100ms", timeout = "80ms", fall = 2, rise = 2 }'


async def healthy(gateway: Gateway) -> int:
    """How many instances the gateway takes for healthy."""
    return int((await gateway.metrics()).sum("headgate_instance_healthy"))


async def test_a_dead_instance_is_ejected_and_comes_back() -> None:
    """Checks that fail take the instance out; checks that pass bring it back, and it gets requests again."""
    async with Origin(b"one") as one, Origin(b"two") as two:
        at_once = f'{CHECK}\nslow_start = "0s"'
        async with Gateway(configuration(one, two, service=at_once)) as gateway:

            async def is_healthy(count: int) -> bool:
                return await healthy(gateway) == count

            await eventually(lambda: is_healthy(2))
            await two.stop()
            await eventually(lambda: is_healthy(1))
            assert (await gateway.metrics()).sum("headgate_instance_healthy", instance=two.address) == 0
            async with Client(gateway) as client:
                assert {(await client.exchange(GET))[0].body.data for _ in range(20)} == {b"one"}
                await two.start()
                await eventually(lambda: is_healthy(2))
                assert {(await client.exchange(GET))[0].body.data for _ in range(50)} == {b"one", b"two"}


async def test_the_check_is_what_the_configuration_says() -> None:
    """The path is asked for; a status that is no success counts as failed."""
    broken = {"yes": False}

    def reply(request: Request) -> Reply:
        return Reply(500 if broken["yes"] and request.target == "/healthz" else 200, b"x")

    async with Origin(reply) as origin, Origin(b"other") as other:
        async with Gateway(configuration(origin, other, service=CHECK)) as gateway:

            async def is_healthy(count: int) -> bool:
                return await healthy(gateway) == count

            await eventually(lambda: is_healthy(2))
            assert "/healthz" in {request.target for request in origin.requests}
            broken["yes"] = True
            await eventually(lambda: is_healthy(1))
            broken["yes"] = False
            await eventually(lambda: is_healthy(2))


async def test_a_check_that_hangs_fails() -> None:
    """An instance that takes a check and does not answer it is taken out."""
    async with vices.StallsBeforeHead() as stalls, Origin(b"x") as origin:
        async with (
            Gateway(configuration(stalls, origin, service=CHECK)) as gateway,
            Client(gateway) as client,
        ):

            async def is_out() -> bool:
                return (await gateway.metrics()).sum(
                    "headgate_instance_healthy", instance=stalls.address
                ) == 0

            await eventually(is_out)
            for _ in range(10):
                assert (await client.exchange(GET))[0].body.data == b"x"


async def test_tcp_checks() -> None:
    """A check of type tcp only connects."""
    text = 'health = { type = "tcp", interval = "100ms", timeout = "80ms", fall = 2, rise = 1 }'
    async with Origin(b"x") as origin, vices.RefusesConnect() as nobody:
        async with Gateway(configuration(origin, nobody, service=text)) as gateway:

            async def one_is_healthy() -> bool:
                metrics = await gateway.metrics()
                return (
                    metrics.sum("headgate_instance_healthy", instance=origin.address) == 1
                    and metrics.sum("headgate_instance_healthy", instance=nobody.address) == 0
                )

            await eventually(one_is_healthy)
        assert not origin.requests


async def test_a_dead_instance_at_start() -> None:
    """The gateway starts and serves although an instance is dead, and says in its log which one."""
    async with Origin(b"x") as origin, vices.RefusesConnect() as nobody:
        async with (
            Gateway(configuration(nobody, origin, service=CHECK)) as gateway,
            Client(gateway) as client,
        ):
            for _ in range(10):
                assert (await client.exchange(GET))[0].status == 200
            await eventually(lambda: nobody.address in gateway.stderr())
