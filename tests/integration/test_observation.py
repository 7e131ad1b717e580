"""What the admin plane says is what happened."""

import aiohttp

from tests.helpers import Client, Gateway, Origin, Reply, Request, configuration, eventually, vices
from tests.helpers.gateway import named

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_metrics_count_what_the_client_counted() -> None:
    """Requests by code, durations and in-flight agree with the client, over two workers."""

    def reply(request: Request) -> Reply:
        return Reply(int(request.target[1:]), b"x")

    wanted = {200: 30, 201: 5, 404: 7, 500: 3}
    async with Origin(reply) as origin, Gateway(configuration(origin, workers=2)) as gateway:
        for code, count in wanted.items():
            for _ in range(count):
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"{gateway.url}/{code}") as response,
                ):
                    assert response.status == code
        metrics = await gateway.metrics()
        for code, count in wanted.items():
            assert metrics.sum("headgate_requests_total", code=code, service="api") == count
        total = sum(wanted.values())
        assert metrics.sum("headgate_requests_total") == total
        assert metrics.sum("headgate_request_duration_seconds_count", service="api") == total
        assert metrics.sum("headgate_request_duration_seconds_bucket", service="api", le="+Inf") == total
        assert metrics.sum("headgate_instance_in_flight") == 0
        assert metrics.sum("headgate_config_epoch") >= 1
        assert metrics.sum("headgate_worker_restarts_total") == 0


async def test_replies_of_our_own_are_counted() -> None:
    """A 400 and a 404 of the gateway are in the metrics of their listener."""
    async with Origin() as origin, Gateway(configuration(origin, route='path = "/only"')) as gateway:
        async with Client(gateway) as client:
            assert (await client.exchange(GET))[0].status == 404
            assert (await client.exchange(b"BAD\r\n\r\n"))[0].status == 400
        metrics = await gateway.metrics()
        assert metrics.sum("headgate_requests_total", code=404) == 1
        assert metrics.sum("headgate_requests_total", code=400) == 1


async def test_metrics_are_text_that_prometheus_reads() -> None:
    """Every metric of the contract is there with HELP and TYPE, and the content type is Prometheus' own."""
    async with Origin(b"x") as origin:
        limit = 'limit = { rate = "100/s", key = "client_ip" }'
        async with Gateway(configuration(origin, route=limit)) as gateway, Client(gateway) as client:
            await client.exchange(GET)
            async with (
                aiohttp.ClientSession() as session,
                session.get(gateway.admin + "/metrics") as response,
            ):
                assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                text = await response.text()
    for name in (
        "headgate_requests_total",
        "headgate_request_duration_seconds",
        "headgate_instance_healthy",
        "headgate_instance_ejected",
        "headgate_instance_ejections_total",
        "headgate_instance_in_flight",
        "headgate_limit_decisions_total",
        "headgate_limit_table_keys",
        "headgate_limit_slots_reused_total",
        "headgate_worker_restarts_total",
        "headgate_config_epoch",
    ):
        assert f"# TYPE {name} " in text
        assert f"# HELP {name} " in text


async def test_live_and_ready() -> None:
    """A gateway that serves is live and ready."""
    async with Origin() as origin, Gateway(configuration(origin)) as gateway:
        assert (await gateway.get("/live"))[0] == 200
        assert (await gateway.get("/ready"))[0] == 200
        assert (await gateway.get("/nothing"))[0] == 404


async def test_status() -> None:
    """The status names the workers, the services with their instances, and the epoch."""
    async with vices.Gated() as origin, Gateway(configuration(origin, workers=2)) as gateway:
        status = await gateway.status()
        assert sorted(worker["pid"] for worker in status["workers"]) == sorted(gateway.workers)
        assert status["epoch"] >= 1
        (service,) = named(status, "services")
        assert service["name"] == "api"
        instance = await gateway.instance(origin.address)
        assert instance["in_flight"] == 0
        assert {"state", "reason"} <= instance.keys()
        async with Client(gateway) as client:
            await client.send(GET)
            await eventually(lambda: origin.requests)
            assert (await gateway.instance(origin.address))["in_flight"] == 1
            origin.gate.set()
            assert (await client.response()).status == 200
        await eventually(gateway.empty)
