"""What a worker does below its limit of descriptors: the marks, and who gives way in which order."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.worker.admission import NO_LIMIT, OWN_DESCRIPTORS, Admission, Room
from tests.unit.worker.conftest import SetUp
from tests.unit.worker.stage import ANSWER, FAR, REQUEST, Stage


@given(st.integers(0, NO_LIMIT), st.integers(0, 10_000))
def test_the_marks_leave_room_for_every_exchange(limit: int, listening: int) -> None:
    """Clients and as many connections to instances fit below the limit, and every mark lies below the next one."""
    room = Room.below(limit, listening)
    assert 0 <= room.resume < room.clients <= room.connections - room.clients
    assert room.clients <= room.calm < room.connections
    if limit >= listening + OWN_DESCRIPTORS + 2:
        assert room.connections + listening + OWN_DESCRIPTORS == limit


def test_accepting_has_two_marks() -> None:
    """It ends at the upper one and begins at the lower one; between them nothing changes."""
    admission = Admission()
    admission.room = Room(clients=10, resume=7, connections=20, calm=17)
    changes = []
    for clients in [9, 10, 11, 9, 8, 7, 8, 9, 10, 0]:
        admission.clients = clients
        if admission.changes_mind():
            changes.append((clients, admission.accepting))
    assert changes == [(10, False), (7, True), (10, False), (0, True)]


def test_what_gives_way() -> None:
    """Idle connections to instances above the calm mark, clients at rest above the one where accepting begins."""
    admission = Admission()
    admission.room = Room(clients=10, resume=7, connections=20, calm=17)
    for clients, upstreams, expected in [
        (7, 10, (0, 0, False)),
        (8, 11, (2, 1, False)),
        (10, 10, (3, 3, True)),
    ]:
        admission.clients, admission.upstreams = clients, upstreams
        found = admission.surplus_upstreams(), admission.surplus_clients(), admission.is_full
        assert found == expected


def crowd(stage: Stage, connections: int) -> list[bool]:
    """Leaves the worker so many descriptors for connections; what it says of accepting from then on."""
    told: list[bool] = []
    stage.plane.accept = told.append
    stage.plane.descriptors = lambda: (connections + OWN_DESCRIPTORS, 0)
    stage.plane.tick()
    return told


async def test_clients_wait_when_half_of_the_descriptors_are_theirs(stage: Stage) -> None:
    """The worker accepts until then, and again when some have gone; what is under way is not touched."""
    told = crowd(stage, 8)
    clients = [stage.client() for _ in range(4)]
    assert told == [False]
    assert stage.counter("accept_pauses") == 1
    for client in clients:
        client.says(REQUEST)
    instances = [await stage.instance() for _ in clients]
    await stage.pass_time(20)
    assert not any(client.closing for client in clients)
    for client, instance in zip(clients, instances, strict=True):
        instance.says(ANSWER)
        assert client.got().endswith(b"ok")
    clients[0].ends()
    await stage.turn()
    assert told == [False, True]


async def test_who_has_rested_longest_gives_way(stage_with: SetUp) -> None:
    """Only those that have rested for a second, and no more of them than must."""
    stage = await stage_with(max_idle=0)
    clients = [stage.client() for _ in range(4)]
    for client in clients:
        await stage.exchange(client)
        await stage.pass_time(0.4)
    told = crowd(stage, 8)
    assert told == [False]
    assert [client.closing for client in clients] == [True, False, False, False]
    assert not clients[0].reset
    await stage.turn()
    assert told == [False, True]
    assert stage.counter("clients_evicted") == 1
    clients[1].says(REQUEST)
    (await stage.instance()).says(ANSWER)


async def test_a_silent_client_is_not_closed_without_a_word(stage: Stage) -> None:
    """Those that were answered go first; one that never asked gets 408 after ten seconds."""
    silent = [stage.client() for _ in range(3)]
    answered = stage.client()
    await stage.exchange(answered)
    await stage.pass_time(9.9)
    told = crowd(stage, 8)
    assert answered.closing
    assert not any(client.sent for client in silent)
    await stage.turn()
    stage.client()
    assert told == [False, True, False]
    await stage.pass_time(0.2)
    assert [client.got()[:12] for client in silent] == [b"HTTP/1.1 408", b"", b""]


def room_for(stage: Stage, connections: int) -> None:
    """As many connections fit as there are, whatever they are, and clients are not counted by themselves."""
    stage.plane.admission.room = Room(clients=99, resume=98, connections=connections, calm=98)


async def test_an_idle_connection_to_another_instance_gives_way(stage: Stage) -> None:
    """An exchange that needs the last descriptor gets it, and it is free before it is asked for."""
    client = stage.client()
    idle = await stage.exchange(client)
    room_for(stage, 2)
    client.says(REQUEST)
    await stage.turn()
    assert idle.gone
    assert stage.counter("upstreams_evicted") == 1
    (await stage.instance()).says(ANSWER)
    assert client.got().endswith(b"ok")


async def test_an_idle_connection_to_an_instance_gives_way_to_a_client(stage: Stage) -> None:
    """A client that was accepted with the last descriptor leaves none for its exchange; so the next is made free."""
    idle = await stage.exchange(stage.client())
    room_for(stage, 3)
    stage.client()
    assert idle.closing


async def test_idle_connections_to_instances_give_way_before_it_is_needed(stage: Stage) -> None:
    """The tick keeps some descriptors free; the one that was used last is kept longest."""
    first, second = stage.client(), stage.client()
    for client in (first, second):
        client.says(REQUEST)
    idle = [await stage.instance() for _ in range(2)]
    for instance in reversed(idle):
        instance.says(ANSWER)
    crowd(stage, 4)
    assert [one.closing for one in idle] == [False, True]
    assert not first.closing
    assert not second.closing


async def test_without_a_descriptor_the_answer_says_so(stage: Stage) -> None:
    """Nothing idle is left to give way: 503, which the instance is not blamed for, and the connection lives on."""
    client, other = stage.client(), stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    room_for(stage, 3)
    other.says(REQUEST)
    assert other.got().startswith(b"HTTP/1.1 503 ")
    assert stage.counter("upstream_connect_failures") == 0
    instance.says(ANSWER)
    other.says(REQUEST)
    await stage.turn()
    assert stage.in_flight() == 1


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE])
async def test_a_connect_without_a_descriptor_is_no_failure_of_the_instance(stage: Stage, error: int) -> None:
    """Should the system have none left all the same, the instance is neither blamed nor tried again."""
    client = stage.client()
    client.says(REQUEST)
    await stage.turn()
    stage.network.connects.pop(0).fails(error)
    await stage.turn()
    assert client.got().startswith(b"HTTP/1.1 503 ")
    assert stage.counter("upstream_connect_failures") == stage.counter("retries") == 0
    client.ends()
    await stage.turn()
    stage.assert_clean()
    assert stage.lane.expired(FAR, 1) == []


async def test_a_client_that_the_system_has_no_descriptor_for(
    stage_with: SetUp, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else has taken it: it is counted, said once a minute, and an idle connection to an instance gives way."""
    stage = await stage_with(instances=1)
    client = stage.client()
    idle = await stage.exchange(client)
    stage.network.exhausted(errno.ENOBUFS)
    assert not idle.closing, "a descriptor would not help"
    for _ in range(3):
        stage.network.exhausted(errno.ENFILE)
    assert idle.closing
    assert not client.closing
    assert stage.counter("accept_failures") == 4
    assert stage.counter("upstreams_evicted") == 1
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert os.strerror(errno.ENOBUFS) in said[0]
    await stage.pass_time(60)
    stage.network.exhausted(errno.ENFILE)
    assert os.strerror(errno.ENFILE) in caplog.records[-1].getMessage()
    assert len(caplog.records) == 2


async def test_connects_to_one_instance_are_bounded(stage_with: SetUp) -> None:
    """While one is under way another request goes to the other instance, and a third one is told; an end makes room."""
    stage = await stage_with(max_pending=1)
    clients = [stage.client() for _ in range(3)]
    for client in clients:
        client.says(REQUEST)
    assert clients[2].got().startswith(b"HTTP/1.1 503 ")
    await stage.turn()
    first, second = stage.network.connects
    assert first.address != second.address
    clients[0].breaks()
    await stage.turn()
    clients[2].says(REQUEST)
    await stage.turn()
    assert [connect.address for connect in stage.network.connects] == [
        first.address,
        second.address,
        first.address,
    ]
    second.succeeds()
    await stage.turn()
    assert len(stage.plane.admission.pending) == 1
    for client in clients[1:]:
        client.breaks()
    await stage.turn()
    stage.network.connects.clear()
    stage.assert_clean()


async def test_a_connection_too_many_is_refused_at_once(stage_with: SetUp) -> None:
    """The client is told before it asks, and has time to read that; what it sends goes nowhere."""
    stage = await stage_with(listener={"max_connections_per_client": 1})
    first, second = stage.client(), stage.client()
    assert second.got().startswith(b"HTTP/1.1 429 ")
    assert second.eof_sent
    second.says(REQUEST)
    await stage.pass_time(1.9)
    assert not second.closing
    await stage.pass_time(0.1)
    assert second.gone
    assert not second.reset
    first.ends()
    await stage.turn()
    assert not stage.client().got()
    assert stage.counter("connections_rejected") == 1
    assert not stage.network.connects
