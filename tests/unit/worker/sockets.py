"""Real sockets on a real loop: a reactor as the worker has it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvloop

from gateway import tcp
from gateway.state.lane import Reactor

Test = Callable[[], Coroutine[Any, Any, None]]


def on_uvloop(test: Test) -> Callable[[], None]:
    """Runs a test on a loop of uvloop's."""

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@contextlib.contextmanager
def reacting() -> Iterator[Reactor]:
    """A reactor in the running loop, gone with all of its sockets in the end."""
    loop = asyncio.get_running_loop()
    reactor = Reactor(loop, tcp.KEEPALIVE)
    loop.add_reader(reactor.fileno(), reactor.turn)
    try:
        yield reactor
    finally:
        loop.remove_reader(reactor.fileno())
        reactor.close()


@contextlib.contextmanager
def serving(reactor: Reactor, accepted: Callable[[], Any]) -> Iterator[tuple[str, int]]:
    """A listening socket on loopback that the reactor accepts from."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        listener = reactor.listen(listening.fileno(), 64, accepted)
        try:
            yield listening.getsockname()
        finally:
            listener.close()
