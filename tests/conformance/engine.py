"""The engine in this process between a client and an instance that are lists of bytes: no socket, no clock."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gateway.config.compile import compile_snapshot
from gateway.config.load import parse
from gateway.model import Health
from gateway.state.control import Control, Segment
from gateway.state.lane import (
    ABORT,
    CLOSE,
    FINISH,
    FINISH_CLOSE,
    FINISH_DROP,
    FINISH_DROP_CLOSE,
    FORWARD,
    RELAY,
    REPLY,
    REPLY_CLOSE,
    SEND,
    SWITCH,
    Connection,
    Lane,
    Snapshot,
)
from gateway.supervisor.rows import Rows
from tests.conformance import reference
from tests.helpers import configuration

NOW = 1_000_000_000_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ENDS_CLIENT = {FINISH_CLOSE, FINISH_DROP_CLOSE, REPLY_CLOSE, CLOSE, ABORT}
ENDS_EXCHANGE = {FINISH, FINISH_DROP, FINISH_CLOSE, FINISH_DROP_CLOSE, REPLY, REPLY_CLOSE, ABORT, CLOSE}
TO_CLIENT = ENDS_EXCHANGE | {RELAY, SWITCH}


@dataclass
class Outcome:
    """What the two sides saw of one connection of a client."""

    forwarded: list[bytes] = field(default_factory=list)
    """What instances got, by exchange."""
    answer: bytes = b""
    """What the client got."""
    closed: bool = False
    aborted: bool = False
    kept: list[bool] = field(default_factory=list)
    """Was the instance's connection good for another exchange, by answered exchange?"""

    def requests(self) -> list[reference.Message]:
        """The whole requests that instances got."""
        return [message for data in self.forwarded for message in reference.requests(data)]

    def statuses(self, methods: list[str]) -> list[int]:
        """The codes of the final answers."""
        answers = reference.responses(self.answer, methods, closed=self.closed)
        return [message.status for message in answers if message.status >= 200]


class Engine:
    """One lane with one service of one healthy instance, under a configuration like any other."""

    def __init__(self, listen: str = "", route: str = "", errors: str = "") -> None:
        self._segment = Segment.create(
            lanes=4, instances=1, services=1, series=4, limits=4, limit_keys=16, hash_seed=42
        )
        control = Control(self._segment)
        control.open_lane(0, os.getpid())
        control.write_instance(0, 1, "127.0.0.1:9", weight=1, max_in_flight=0, health=Health.HEALTHY)
        control.publish_members(0, [0])
        self.lane = Lane(self._segment, 0, random_seed=42)
        config = parse(errors + configuration("127.0.0.1:9", listen=listen, route=route), "conformance", {})
        _, blob = compile_snapshot(config, 1, Rows.fresh(services=1, series=4, limits=4))
        self.lane.adopt(Snapshot.compile(blob))

    def connect(self) -> Connection:
        """A client has connected."""
        return Connection(self.lane, 0, "192.0.2.1", NOW)

    def serve(self, pieces: Iterable[bytes]) -> Outcome:
        """A client that sends these pieces and then a FIN, and an instance that answers every whole request."""
        connection, outcome = self.connect(), Outcome()
        open_exchange = False

        def follow(verdict: tuple[int, int, bytes]) -> None:
            nonlocal open_exchange
            while not outcome.closed:
                action, argument, payload = verdict
                if action == FORWARD:
                    outcome.forwarded.append(payload)
                    open_exchange = True
                elif action == SEND:
                    outcome.forwarded[-1] += payload
                if action in TO_CLIENT:
                    outcome.answer += payload
                if action in ENDS_EXCHANGE:
                    open_exchange = False
                    outcome.closed = action in ENDS_CLIENT
                    if argument and not outcome.closed:
                        verdict = connection.receive(b"", NOW)
                        continue
                elif open_exchange and reference.requests(outcome.forwarded[-1]):
                    verdict = connection.respond(OK, NOW)
                    continue
                return

        for piece in pieces:
            if not outcome.closed:
                follow(connection.receive(piece, NOW))
        if not outcome.closed:
            connection.client_eof(NOW)
        connection.close(NOW)
        return outcome

    def relay(self, request: bytes, pieces: Iterable[bytes], end: str | None) -> Outcome:
        """A client that sends a request, an instance that sends these pieces and then ends with "fin", "reset" or not.

        Where the client's connection lives on, it gets another request answered.
        """
        connection, outcome = self.connect(), Outcome()
        action, _, payload = connection.receive(request, NOW)
        assert action == FORWARD, payload
        outcome.forwarded.append(payload)
        for verdict in _answers(connection, pieces, end):
            action, _, payload = verdict
            outcome.answer += payload if action in TO_CLIENT else b""
            if action in ENDS_EXCHANGE:
                outcome.kept.append(action in {FINISH, FINISH_CLOSE})
                outcome.closed, outcome.aborted = action in ENDS_CLIENT, action == ABORT
                break
            if action == SWITCH:
                break
        else:
            connection.close(NOW)
            return outcome
        if not outcome.closed and action != SWITCH:
            action, _, payload = connection.receive(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", NOW)
            assert action == FORWARD
            action, _, payload = connection.respond(OK, NOW)
            assert action == FINISH
            assert payload.startswith(b"HTTP/1.1 200 OK\r\n")
        connection.close(NOW)
        return outcome


def _answers(
    connection: Connection, pieces: Iterable[bytes], end: str | None
) -> Iterator[tuple[int, int, bytes]]:
    for piece in pieces:
        yield connection.respond(piece, NOW)
    if end is not None:
        yield connection.upstream_lost(end == "fin", True, True, NOW)


def in_pieces(raw: bytes) -> list[bytes]:
    """Byte by byte; a long message in larger pieces."""
    size = 1 if len(raw) < 5_000 else 1_000
    return [raw[at : at + size] for at in range(0, len(raw), size)]


def splits(raw: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and cut in two at every place; a long message at some of its places."""
    yield [raw]
    yield in_pieces(raw)
    places: Iterable[int] = range(1, len(raw))
    if len(raw) > 300:
        places = [*range(1, 40), *range(40, len(raw) - 20, len(raw) // 20), *range(len(raw) - 20, len(raw))]
    for at in places:
        yield [raw[:at], raw[at:]]
