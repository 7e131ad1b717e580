"""A bug costs one connection: it is counted, logged, and nobody is left hanging."""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, cast

import pytest

from gateway.clock import NANOSECONDS
from gateway.state.lane import Connection, keep_panic_places, take_panic_place
from gateway.worker.faults import QUIET_NS, Faults, place_of
from gateway.worker.ingress import ClientConnection
from tests.unit.worker.stage import ANSWER, REQUEST, Stage, Transport


class Panic(BaseException):
    """As pyo3's PanicException, which is no Exception either."""


class Panicking:
    """A state machine that panics in one of its steps."""

    def __init__(self, machine: Any, step: str) -> None:
        self._machine = machine
        self._step = step

    def __getattr__(self, name: str) -> Any:
        if name == self._step:
            raise Panic(name)
        return getattr(self._machine, name)


def sabotage(client: Transport, step: str) -> ClientConnection:
    """Has a step of the client's state machine panic."""
    connection = cast("ClientConnection", client.protocol)

    class Sabotaged(ClientConnection):
        __slots__ = ()

        @property
        def _machine(self) -> Any:
            return Panicking(super()._machine, step)

        @_machine.setter
        def _machine(self, machine: Connection) -> None:
            raise AssertionError

        def data_received(self, data: bytes) -> None:
            if step == "receive":
                raise Panic(step)
            super().data_received(data)

    connection.__class__ = Sabotaged
    return connection


async def assert_it_cost_one(stage: Stage, client: Transport, caplog: pytest.LogCaptureFixture) -> None:
    """One connection, counted and logged once, and everything given back."""
    await stage.turn()
    assert client.gone
    assert client.reset
    assert stage.counter("faults") == 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info
    assert "a bug in " in record.message
    stage.assert_clean()


async def test_after_a_connect(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A bug when the connection is there does not leave the client waiting."""
    client = stage.client()
    client.says(REQUEST)
    sabotage(client, "connected")
    await stage.instance()
    await assert_it_cost_one(stage, client, caplog)


async def test_after_a_failed_connect(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does one when there will be none."""
    client = stage.client()
    client.says(REQUEST)
    await stage.turn()
    sabotage(client, "upstream_failed")
    stage.network.connects.pop().fails()
    await assert_it_cost_one(stage, client, caplog)


async def test_taking_up_a_pipelined_request(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody but us sees an exception in a callback of the loop."""
    client = stage.client()
    client.says(REQUEST * 2)
    instance = await stage.instance()
    sabotage(client, "receive")
    instance.says(ANSWER)
    await assert_it_cost_one(stage, client, caplog)


async def test_at_a_deadline(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The tick goes on for the other connections, and ticks again."""
    clients = [stage.client() for _ in range(3)]
    sabotage(clients[1], "expire")
    await stage.pass_time(80)
    assert clients[0].gone
    assert clients[2].gone
    await assert_it_cost_one(stage, clients[1], caplog)
    await stage.pass_time(1)


@pytest.mark.parametrize("step", ["receive", "respond", "stalled"])
async def test_in_a_transport_callback(stage: Stage, caplog: pytest.LogCaptureFixture, step: str) -> None:
    """What the reactor reports names the protocol, of the client or of the instance: the client's connection ends."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    sabotage(client, step)
    protocol = client.protocol if step == "receive" else instance.protocol
    error = Panic(step)
    context = {"message": "Fatal error on transport", "exception": error, "protocol": protocol}
    stage.plane.faults.handle(asyncio.get_running_loop(), context)
    await assert_it_cost_one(stage, client, caplog)
    assert instance.gone


async def test_at_the_end_of_a_connection(stage: Stage) -> None:
    """A machine that cannot even be closed keeps no connection to an instance."""
    client = stage.client()
    client.says(REQUEST)
    instance = await stage.instance()
    connection = cast("ClientConnection", client.protocol)
    client.gone = True
    with pytest.raises(BaseException, match="Already mutably borrowed"):
        stage.lane.tick(cast("int", PanicsWithin(lambda: connection.connection_lost(None))), 0)
    await stage.turn()
    assert instance.gone
    assert stage.plane.admission.clients == 0


async def test_at_the_beginning_of_a_connection(stage: Stage) -> None:
    """A connection that cannot be taken up leaves nothing behind."""
    connection = ClientConnection(stage.plane, 0)
    with pytest.raises(ValueError, match="no IP address"):
        Transport(connection, ("nonsense", 1))
    transport = cast("Transport", connection._transport)
    await stage.turn()
    assert transport.gone
    stage.assert_clean()


async def test_a_pooled_connection_breaks_alone(stage: Stage) -> None:
    """A bug on a connection that serves nobody costs that connection."""
    client = stage.client()
    instance = await stage.exchange(client)
    context = {"message": "m", "exception": Panic(), "protocol": instance.protocol}
    stage.plane.faults.handle(asyncio.get_running_loop(), context)
    await stage.turn()
    assert instance.gone
    assert not stage.pooled()
    assert client.reading


async def test_what_is_no_exception_is_logged_only(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The loop also reports things that are nobody's fault."""
    stage.plane.faults.handle(asyncio.get_running_loop(), {"message": "something odd"})
    assert stage.counter("faults") == 0
    assert "something odd" in caplog.text


class Broken:
    """A connection that counts how often it was broken off."""

    def __init__(self) -> None:
        self.ends = 0

    def break_off(self) -> None:
        """Counted."""
        self.ends += 1


def caught(bug: Callable[[], object]) -> Exception:
    """The exception of a bug, with its trace."""
    try:
        bug()
    except Exception as error:
        return error
    raise AssertionError


def division() -> object:
    """One bug."""
    return 1 // 0


def lookup() -> object:
    """Another bug."""
    return {}[0]


async def test_a_storm_of_one_bug_is_logged_now_and_then(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Each costs its connection and is counted; the log has one line per place and interval, which says how many
    were left out; another bug is not hidden by it.
    """
    now = 0
    faults, connection = Faults(stage.lane, clock=lambda: now), Broken()
    for _ in range(100):
        faults.cost(connection, caught(division))
    faults.cost(connection, caught(lookup))
    now += QUIET_NS - 1
    faults.cost(connection, caught(division))
    assert len(caplog.records) == 2
    now += 1
    faults.cost(connection, caught(division))
    last = caplog.records[-1].message
    assert len(caplog.records) == 3
    assert ", division cost a connection: " in last
    assert last.endswith(", and 100 times since it was logged last")
    now += NANOSECONDS * 3600
    faults.cost(connection, caught(division))
    assert "since" not in caplog.records[-1].message
    assert stage.counter("faults") == connection.ends == 104


def test_the_place_of_a_bug_is_where_it_was_raised() -> None:
    """File, line and function; an exception that was never raised has none."""
    place = place_of(caught(lookup))
    assert re.fullmatch(r"test_faults\.py:\d+, lookup", place)
    assert place_of(KeyError()) == "a place unknown"


class PanicsWithin:
    """A time whose reading has the engine called while it is at work, which it takes for a bug and panics."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def __index__(self) -> int:
        self._call()
        raise AssertionError


async def test_a_panic_of_the_engine(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its place in the engine's source, and the engine works on for everybody else."""
    keep_panic_places()
    client, neighbour = stage.client(), stage.client()
    connection = cast("ClientConnection", client.protocol)
    with pytest.raises(BaseException, match="Already borrowed") as panic:
        stage.lane.tick(cast("int", PanicsWithin(lambda: connection._machine.receive(b"", 1))), 0)
    assert not isinstance(panic.value, Exception)
    stage.plane.faults.cost(connection, panic.value)
    await stage.turn()
    assert client.gone
    assert stage.counter("faults") == 1
    assert re.search(r"a bug in \S+connection\.rs:\d+:\d+ cost a connection", caplog.text)
    assert take_panic_place() is None
    await stage.exchange(neighbour)
