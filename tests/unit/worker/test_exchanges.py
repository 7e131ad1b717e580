"""Exchanges that go well, and the tries of those that do not at first."""

import errno

import pytest

from gateway.worker.ingress import ClientConnection
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, answer, forget_addresses, post, put


async def test_an_exchange_is_one_write_each_way(stage_with: SetUp) -> None:
    """A request and an answer that fit into a chunk cost one write to the instance and one to the client."""
    stage = await stage_with(instances=1)
    client = stage.client()
    instance = await stage.exchange(client)
    client.writes = instance.writes = 0
    client.says(REQUEST)
    assert not stage.pooled(), "the connection serves"
    instance.says(ANSWER)
    assert (client.writes, instance.writes) == (1, 1)
    assert client.got().endswith(b"ok")
    assert len(stage.pooled()) == 1
    assert stage.statuses() == {200: 2}
    client.breaks()
    await stage.turn()
    stage.assert_clean()


async def test_the_kept_connection_serves_again(stage_with: SetUp) -> None:
    """A second request goes over the connection of the first, whoever sent it, in one write."""
    stage = await stage_with(instances=1)
    first, second = stage.client(), stage.client()
    instance = await stage.exchange(first)
    instance.writes = 0
    second.says(REQUEST)
    assert (instance.writes, instance.got()[:4]) == (1, b"GET ")
    instance.says(ANSWER)
    assert b"200 OK" in second.got()
    await stage.turn()
    assert not stage.network.connects


async def test_pipelined_requests_are_answered_in_order_one_a_turn(stage_with: SetUp) -> None:
    """Three requests in a chunk are three exchanges, each in a turn of its own."""
    stage = await stage_with(instances=1)
    client = stage.client()
    client.says(b"".join(REQUEST.replace(b"/ ", b"/%d " % number) for number in range(3)))
    instance = await stage.instance()
    for number in range(3):
        got = instance.got()
        assert got.startswith(b"GET /%d " % number)
        assert got.count(b"GET") == 1
        instance.says(ANSWER)
        assert not instance.sent, "the next one waits for its turn"
        assert client.got().count(b"200 OK") == 1
        await stage.turn()


async def test_bodies_stream_both_ways(stage: Stage) -> None:
    """Pieces of a request and of an answer are passed on as they come."""
    client = stage.client()
    client.says(post(6) + b"ab")
    instance = await stage.instance()
    assert instance.got().endswith(b"\r\n\r\nab")
    client.says(b"cd")
    client.says(b"ef")
    assert instance.got() == b"cdef"
    instance.says(answer(4))
    instance.says(b"gh")
    assert client.got().endswith(b"gh")
    instance.says(b"ij")
    assert client.got() == b"ij"
    assert stage.pooled()


async def test_what_comes_while_connecting_is_sent_in_one_write(stage: Stage) -> None:
    """Head and body that came before the connection go out together."""
    client = stage.client()
    client.says(post(4))
    client.says(b"ab")
    client.says(b"cd")
    instance = await stage.instance()
    assert (instance.writes, bytes(instance.sent[-4:])) == (1, b"abcd")


async def test_a_refused_connect_goes_to_the_other_instance(stage: Stage) -> None:
    """Whatever the method, what was never written goes elsewhere, with all of the body that came meanwhile."""
    client = stage.client()
    client.says(post(4) + b"ab")
    await stage.turn()
    refused = stage.network.connects.pop()
    refused.fails()
    client.says(b"cd")
    await stage.turn()
    assert stage.network.connects[0].address != refused.address
    instance = await stage.instance()
    assert instance.got().endswith(b"abcd")
    assert stage.counter("upstream_connect_failures") == 1
    assert stage.in_flight() == 1


async def test_a_refused_connect_uses_what_the_other_instance_has_idle(stage: Stage) -> None:
    """A try after a refused connect takes a pooled connection, as the first try would."""
    client = stage.client()
    instance = await stage.exchange(client)
    client.says(REQUEST)
    await stage.turn()
    stage.network.connects.pop().fails()
    await stage.turn()
    assert instance.got().startswith(b"GET ")
    assert not stage.network.connects
    assert stage.counter("upstream_connects") == 1


async def test_an_instance_that_hangs_up_at_once_was_never_written_to(stage: Stage) -> None:
    """A connection that ends, or brings bytes, before the request is written counts as none: even a POST goes elsewhere."""
    client = stage.client()
    client.says(post(2) + b"ab")
    await stage.turn()
    stage.network.connects.pop().fails(errno.ECONNRESET)
    other = await stage.instance()
    assert other.got().endswith(b"ab")
    other.says(ANSWER)
    assert b"200 OK" in client.got()


async def test_an_instance_that_is_gone_has_no_address(stage_with: SetUp) -> None:
    """A slot with another occupant since the decision is no instance to connect to."""
    stage = await stage_with(instances=1, tries=0)
    client = stage.client()
    forget_addresses(stage)
    client.says(REQUEST)
    await stage.turn()
    assert not stage.network.connects
    assert b" 502 " in client.got()


async def test_a_stale_connection_costs_an_idempotent_request_nothing(stage_with: SetUp) -> None:
    """A GET on a kept connection that the instance has given up goes out again on a fresh one."""
    stage = await stage_with(instances=1)
    clients = [stage.client(), stage.client(), stage.client()]
    first = await stage.exchange(clients[0])
    clients[0].says(REQUEST)
    await stage.exchange(clients[1])
    first.says(ANSWER)
    assert len(stage.pooled()) == 2
    clients[2].says(put(2) + b"ab")
    first.breaks()
    fresh = await stage.instance()
    assert fresh.got().endswith(b"ab"), "a fresh connection: the other pooled one may be as stale"
    assert len(stage.pooled()) == 1
    assert stage.counter("retries") == 1


async def test_a_further_try_waits_and_has_all_of_the_request(stage: Stage) -> None:
    """After a second lost connection the next try comes when its time has come, with the body that came meanwhile."""
    client = stage.client()
    client.says(put(4) + b"ab")
    for _ in range(2):
        (await stage.instance()).breaks()
        await stage.turn()
    assert not stage.network.connects
    client.says(b"cd")
    await stage.pass_back_off()
    instance = await stage.instance()
    assert instance.got().endswith(b"\r\n\r\nabcd")
    instance.says(ANSWER)
    assert b"200 OK" in client.got()
    assert stage.counter("retries") == 2


async def test_a_body_beyond_the_replay_buffer_waits_for_the_back_off(stage: Stage) -> None:
    """What comes during a back-off is all kept: beyond the replay buffer the client is paused, not forgotten."""
    client = stage.client()
    client.says(put(ClientConnection.REPLAY_BYTES + 1000))
    for _ in range(2):
        (await stage.instance()).breaks()
        await stage.turn()
    body = bytes(ClientConnection.REPLAY_BYTES + 1000)
    client.says(body)
    assert not client.reading
    await stage.pass_back_off()
    instance = await stage.instance()
    assert instance.got().endswith(body)
    assert client.reading


async def test_a_fault_after_a_back_off_costs_one_connection(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception in the callback of the short clock ends its connection and no other."""
    client = stage.client()
    client.says(REQUEST)
    for _ in range(2):
        (await stage.instance()).breaks()
        await stage.turn()
    monkeypatch.setattr(ClientConnection, "_perform", None)
    await stage.pass_back_off()
    assert client.reset
    assert stage.counter("faults") == 1


@pytest.mark.parametrize("clean", [True, False])
async def test_a_request_that_may_have_been_done_is_not_sent_again(stage: Stage, *, clean: bool) -> None:
    """A POST that was written is answered 502 when its connection is lost."""
    client = stage.client()
    client.says(post(2) + b"ab")
    instance = await stage.instance()
    instance.ends() if clean else instance.breaks()
    await stage.turn()
    assert client.got().startswith(b"HTTP/1.1 502 ")
    assert not stage.network.connects
    assert client.reading, "the connection lives on"


async def test_a_begun_answer_is_not_begun_again(stage: Stage) -> None:
    """An idempotent request is not sent again once a byte of an answer has reached the client: that is reset."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    instance.says(answer(10) + b"ab")
    instance.breaks()
    await stage.turn()
    assert client.reset
    assert client.gone
    assert not stage.network.connects
    stage.assert_clean()


@pytest.mark.parametrize(
    "first", [ClientConnection.REPLAY_BYTES - 1000, ClientConnection.REPLAY_BYTES + 1000]
)
async def test_only_a_small_request_is_kept_for_another_try(stage: Stage, first: int) -> None:
    """A request beyond the replay buffer is not sent again, whether it came in one chunk or in several."""
    client = stage.client()
    client.says(put(first + 10))
    instance = await stage.instance()
    client.says(bytes(first))
    client.says(bytes(10))
    instance.breaks()
    await stage.turn()
    assert len(stage.network.connects) == (first < ClientConnection.REPLAY_BYTES)
    assert client.got()[:12] == (b"" if first < ClientConnection.REPLAY_BYTES else b"HTTP/1.1 502")


async def test_one_large_chunk_is_not_sent_again_either(stage_with: SetUp) -> None:
    """The bound holds for a request that was written to a kept connection in one go."""
    stage = await stage_with(instances=1)
    client = stage.client()
    instance = await stage.exchange(client)
    client.says(put(ClientConnection.REPLAY_BYTES) + bytes(ClientConnection.REPLAY_BYTES))
    instance.breaks()
    await stage.turn()
    assert b" 502 " in client.got()
    assert not stage.network.connects


async def test_the_replay_is_forgotten_with_the_first_byte_of_the_answer(stage: Stage) -> None:
    """A request is kept in memory only while it may be sent again."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    protocol = client.protocol
    assert protocol._replay  # type: ignore[union-attr]
    instance.says(answer(10))
    assert protocol._replay is None  # type: ignore[union-attr]


async def test_an_unknown_path_never_connects(stage: Stage) -> None:
    """A reply of our own needs no instance, and pipelined requests after it are taken up."""
    client = stage.client()
    client.says(b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
    await stage.turn()
    assert client.got().count(b"HTTP/1.1 404 ") == 3
    assert not stage.network.connects


async def test_connection_numbers_are_used_again(stage: Stage) -> None:
    """The number of a connection that has ended goes to the next one, and deadlines find the right one."""
    clients = [stage.client() for _ in range(3)]
    clients[1].breaks()
    await stage.turn()
    fourth = stage.client()
    assert len(stage.plane._connections) == 3
    fourth.says(b"GET / HT")
    await stage.pass_time(11)
    assert b" 408 " in fourth.got()
    assert not clients[0].sent
    assert not clients[2].sent


@pytest.mark.parametrize(
    ("peername", "address"),
    [
        (("192.0.2.7", 1), b"192.0.2.7"),
        (("2001:db8::1", 1, 0, 0), b"2001:db8::1"),
        (("::ffff:192.0.2.7", 1, 0, 0), b"192.0.2.7"),
        ("", b"127.0.0.1"),
    ],
)
async def test_the_address_of_a_client(stage: Stage, peername: object, address: bytes) -> None:
    """An IPv4 address is one, however it comes; Unix sockets are local."""
    client = stage.client(peername)
    client.says(REQUEST)
    instance = await stage.instance()
    assert b"X-Forwarded-For: " + address + b"\r\n" in instance.got()
