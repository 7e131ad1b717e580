"""The composition root of the control plane: makes its parts, starts them in order and stops them in reverse."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import sys
from collections.abc import Coroutine
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import uvloop

from gateway.clock import monotonic_ns, wall_ns
from gateway.config.load import load
from gateway.config.schema import Cluster, Config
from gateway.errors import Mistake
from gateway.state.control import MOST_IN_STOCK, Control, Segment, Snapshot, Stocks
from gateway.state.view import COUNTERS, DURATION_BOUNDS, LIMIT_DECISIONS, PASS_ENDS, WAIT_ENDS, View
from gateway.supervisor import logs, machine
from gateway.supervisor.access_log import require_writable
from gateway.supervisor.admin.app import application
from gateway.supervisor.admin.server import AdminServer
from gateway.supervisor.cluster.membership import Membership
from gateway.supervisor.cluster.store import Store
from gateway.supervisor.discovery import dns
from gateway.supervisor.edition import Bounds, first_edition
from gateway.supervisor.failure import StartError
from gateway.supervisor.health.prober import Prober
from gateway.supervisor.instances import Instances
from gateway.supervisor.launch import Equipment, Launcher
from gateway.supervisor.lifecycle import Event, State, after
from gateway.supervisor.listeners import Listeners, Opening
from gateway.supervisor.memory import Capacities, capacities
from gateway.supervisor.monitor import Monitor
from gateway.supervisor.overrides import OverrideBook
from gateway.supervisor.overview import Dictionary, Overview
from gateway.supervisor.pidfile import pid_file
from gateway.supervisor.reload import Reloader
from gateway.supervisor.roster import Roster
from gateway.supervisor.rows import Rows
from gateway.supervisor.sockets import Listener, open_listener
from gateway.supervisor.telemetry.metrics import Vocabulary
from gateway.supervisor.workers import Workers

logger = logging.getLogger("headgate.supervisor")

ACCEPT_GRACE_S = 0.2
"""Workers accept for 0.1 s of a drain, so that what the kernel has completed by then is not reset."""


def run(file: Path, pid_path: Path | None) -> None:
    """Serves a configuration file until a signal ends it. Raises ConfigErrors or StartError when it cannot."""
    machine.require_uvloop(version("uvloop"))
    doubts: list[Mistake] = []
    config = load(file, os.environ, heed=doubts.append)
    logs.configure(config.log.level)
    for doubt in doubts:
        logger.warning("%s", doubt.headline(str(file)))
    machine.raise_descriptor_limit()
    machine.collect_garbage_rarely()
    machine.poll_without_rings()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(file, config, pid_path))


async def _serve(file: Path, config: Config, pid_path: Path | None) -> None:
    """Opens what may be refused by the system first: nothing has been started when it is."""
    require_writable(config.log.access)
    with contextlib.ExitStack() as stack:
        listeners = Listeners()
        stack.callback(listeners.close)
        slots = config.gateway.worker_count(machine.cpus())
        listeners.take(listeners.open([listen.address for listen in config.listen], slots))
        listeners.adjust(config.write_timeouts_ms())
        admin = open_listener(config.gateway.admin, 1)
        stack.callback(admin.close)
        stack.enter_context(pid_file(pid_path))
        supervisor = Supervisor(file, config, listeners, admin)
        await supervisor.run()


class Supervisor:
    """All parts of the control plane, and the arrows between them."""

    def __init__(self, file: Path, config: Config, listeners: Listeners, admin: Listener) -> None:
        self._listeners = listeners
        self._admin_url = admin.url
        self._state = State.STARTING
        self._signalled = asyncio.Event()
        slots = config.gateway.worker_count(machine.cpus())
        sizes = capacities(config, slots)
        self._segment = _shared_memory(sizes)
        self._wakes = _wakes(sizes.lanes)
        control, view = Control(self._segment), View(self._segment)
        draw = secrets.SystemRandom().random
        self._prober = Prober(asyncio.get_running_loop())
        self._roster = Roster(
            Instances(control, view, sizes.instances, monotonic_ns),
            probe=self._prober.probe,
            watch=partial(dns.watch, draw=draw),
            clock=monotonic_ns,
            draw=draw,
        )
        launcher = Launcher(control, sizes.lanes)
        self._workers = Workers(slots, self._equipment, launcher, clock=monotonic_ns)
        self._monitor = Monitor(self._workers, view, clock=monotonic_ns)
        self._membership = Membership(
            Stocks(self._segment, wakes=self._wakes),
            _redis,
            clock=monotonic_ns,
            most_in_stock=MOST_IN_STOCK,
        )
        overrides = OverrideBook(wall_ns)
        rows = Rows.fresh(services=sizes.services, series=sizes.series, limits=sizes.limits)
        self._reloader = Reloader(
            file,
            os.environ,
            first_edition(config, rows),
            Bounds(sizes.workers, machine.cpus(), Snapshot.compile),
            serving=lambda: self._state is State.READY,
            listeners=listeners,
            roster=self._roster,
            workers=self._workers,
            equipment=self._equipment,
            overrides=overrides,
            membership=self._membership,
        )
        overview = Overview(
            state=lambda: self._state,
            clock=monotonic_ns,
            wall=wall_ns,
            readings=view,
            dictionary=Dictionary(
                lambda: self._reloader.edition.legend,
                Vocabulary(COUNTERS, LIMIT_DECISIONS, WAIT_ENDS, PASS_ENDS, DURATION_BOUNDS),
            ),
            instances=self._roster.instances,
            health=self._roster.health,
            ejections=self._roster.ejections,
            workers=self._workers,
            overrides=overrides.document,
            listeners=self._urls,
            cluster=self._membership.report,
        )
        self._admin = AdminServer(application(overview, self._reloader), admin.sockets[0])

    async def run(self) -> None:
        """From start to stop; whatever happens on the way, no process and no task is left behind."""
        self._take_signals()
        try:
            await self._start_services()
            if await self._start_workers():
                self._announce()
                self._workers.reopen_logs()
                await self._reload_until_signalled()
            await self._drain()
        except BaseException:
            self._enter(Event.FAILED)
            raise
        finally:
            await self._monitor.stop()
            self._workers.destroy()
            await self._stop_services()

    def _equipment(self, config: Config | None = None, opening: Opening | None = None) -> Equipment:
        """What a worker inherits that starts now, or for a configuration that is about to come into force."""
        level = (config or self._reloader.edition.config).log.level
        return Equipment(self._segment.fileno(), self._wakes, self._listeners.filenos(opening), level)

    # Start

    async def _start_services(self) -> None:
        self._admin.start()
        self._monitor.start()
        edition = self._reloader.edition
        settings = edition.config.cluster
        self._membership.adopt(settings, self._membership.prepare(settings), edition.shared)
        asyncio.get_running_loop().add_reader(self._wakes[-1], self._called)
        self._roster.start()
        services, zone = edition.config.services, edition.config.gateway.zone
        await self._roster.set(services, edition.rows.banks(), zone, edition.idle_subsets())

    def _called(self) -> None:
        """A request waits for a token of a limit that gateways share."""
        os.eventfd_read(self._wakes[-1])
        self._membership.call()

    async def _start_workers(self) -> bool:
        """Starts the workers; False when a signal came first."""
        edition = self._reloader.edition
        start = self._workers.start(edition.head, edition.blob)
        started = await self._unless_signalled(start)
        if started:
            self._enter(Event.SERVING)
        return started

    def _announce(self) -> None:
        """The ready line of the outside contract; nothing else is ever printed on standard output."""
        urls = list(self._urls().values())
        ready = {
            "ready": True,
            "pid": os.getpid(),
            "workers": [worker.pid for worker in self._workers.processes()],
            "listen": urls,
            "admin": self._admin_url,
        }
        with contextlib.suppress(OSError):  # whoever started us may not care, and have closed it
            sys.stdout.write(orjson.dumps(ready).decode() + "\n")
            sys.stdout.flush()
        logger.info("ready: %s", ", ".join(urls))

    def _urls(self) -> dict[str, str]:
        """Where each listener can be reached, by name, and what it speaks."""
        passed = {listen.name for listen in self._reloader.edition.config.listen if listen.mode == "tcp"}
        return {
            name: url.replace("http://", "tcp://", 1) if name in passed else url
            for name, url in self._listeners.urls().items()
        }

    async def _reload_until_signalled(self) -> None:
        """Failing to read or take a new configuration is no reason to end; a bug where it is brought into force is."""
        reloads = asyncio.ensure_future(self._reloader.obey())
        signalled = asyncio.ensure_future(self._signalled.wait())
        try:
            await asyncio.wait({reloads, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if reloads.done():
                reloads.result()
        finally:
            reloads.cancel()
            signalled.cancel()
            await asyncio.gather(reloads, signalled, return_exceptions=True)

    # Stop

    async def _drain(self) -> None:
        """Readiness fails from here on; a further signal ends the drain."""
        self._signalled.clear()
        settings = self._reloader.edition.config.gateway
        timeout, tunnel_timeout = settings.drain_timeout, settings.tunnel_drain_timeout
        if self._state is State.DRAINING:
            self._listeners.quiesce_all_but(())
            refusal = asyncio.ensure_future(self._refuse_connections())
            await self._unless_signalled(self._workers.drain(timeout.seconds, tunnel_timeout.seconds))
            refusal.cancel()
        self._enter(Event.EMPTY)

    async def _refuse_connections(self) -> None:
        """Closing is not enough, for every worker holds copies: clients would wait in a backlog that nobody empties."""
        await asyncio.sleep(ACCEPT_GRACE_S)
        self._listeners.refuse()

    async def _stop_services(self) -> None:
        await self._roster.close()
        self._prober.close()
        await self._membership.close()
        await self._admin.stop()
        logger.info("stopped")

    # Signals

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate, number)
        loop.add_signal_handler(signal.SIGHUP, self._reloader.hang_up)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen_logs)

    def _terminate(self, number: signal.Signals) -> None:
        self._enter(Event.TERMINATE)
        logger.info("%s: the gateway is %s", number.name, self._state)
        self._signalled.set()

    def _reopen_logs(self) -> None:
        if self._state is not State.STARTING:  # workers open their logs after the ready line anyway
            self._workers.reopen_logs()
            logger.info("SIGUSR1: the access log is opened anew")

    def _enter(self, event: Event) -> None:
        self._state = after(self._state, event)

    async def _unless_signalled(self, work: Coroutine[Any, Any, None]) -> bool:
        """Does the work to its end, or cancels it when a signal comes; tells whether it came to its end."""
        task = asyncio.ensure_future(work)
        signalled = asyncio.ensure_future(self._signalled.wait())
        try:
            await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            return task.done()
        finally:
            task.cancel()
            signalled.cancel()
            await asyncio.gather(task, signalled, return_exceptions=True)


def _redis(settings: Cluster) -> Store:
    """The client is an extra, and is loaded where it is wanted. Raises StartError."""
    from gateway.supervisor.cluster.redis_store import connect  # noqa: PLC0415

    return connect(settings, secrets.token_hex(8))


def _shared_memory(sizes: Capacities) -> Segment:
    try:
        return Segment.create(**sizes.arguments(), hash_seed=secrets.randbits(64))
    except (OSError, ValueError) as error:
        raise StartError(f"cannot make the shared memory: {error}") from None


def _wakes(lanes: int) -> list[int]:
    """An eventfd for each lane, by which its worker is woken, and one by which workers call the supervisor; they last as long as
    the process.
    """
    try:
        return [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(lanes + 1)]
    except OSError as error:
        raise StartError(f"cannot make what wakes the workers: {error}") from None
