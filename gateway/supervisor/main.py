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

from gateway.clock import monotonic_ns
from gateway.config.compile import compile_snapshot
from gateway.config.load import load
from gateway.config.schema import Config, HealthCheck, Service
from gateway.state.control import Control, Segment
from gateway.state.view import COUNTERS, DURATION_BOUNDS, View
from gateway.supervisor import logs, machine
from gateway.supervisor.access_log import require_writable
from gateway.supervisor.admin.app import application
from gateway.supervisor.admin.server import AdminServer
from gateway.supervisor.discovery import dns
from gateway.supervisor.discovery.merge import Member
from gateway.supervisor.discovery.service import DiscoveryService
from gateway.supervisor.failure import StartError
from gateway.supervisor.health.policy import Thresholds
from gateway.supervisor.health.prober import Check, Probe, probe
from gateway.supervisor.health.service import HealthService, Report, Target
from gateway.supervisor.instances import Instances
from gateway.supervisor.lifecycle import Event, State, after
from gateway.supervisor.memory import Capacities, capacities
from gateway.supervisor.monitor import Monitor
from gateway.supervisor.overview import Dictionary, Overview
from gateway.supervisor.pidfile import pid_file
from gateway.supervisor.rows import Rows
from gateway.supervisor.sockets import Listener, close_listeners, open_listener, open_listeners
from gateway.supervisor.telemetry.metrics import Legend
from gateway.supervisor.workers import Equipment, Workers

logger = logging.getLogger("headgate.supervisor")

ACCEPT_GRACE_S = 0.2
"""Workers accept for 0.1 s of a drain, so that what the kernel has completed by then is not reset."""
FIRST_EPOCH = 1  # 0 is what a lane holds before it has seen any


def run(file: Path, pid_path: Path | None) -> None:
    """Serves a configuration file until a signal ends it. Raises ConfigErrors or StartError when it cannot."""
    machine.require_uvloop(version("uvloop"))
    config = load(file, os.environ)
    logs.configure(config.log.level)
    machine.raise_descriptor_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, pid_path))


async def _serve(config: Config, pid_path: Path | None) -> None:
    """Opens what may be refused by the system first: nothing has been started when it is."""
    slots = config.gateway.worker_count(len(os.sched_getaffinity(0)))
    require_writable(config.log.access)
    with contextlib.ExitStack() as stack:
        listeners = open_listeners([listen.address for listen in config.listen], slots)
        stack.callback(close_listeners, listeners)
        admin = open_listener(config.gateway.admin, 1)
        stack.callback(admin.close)
        stack.enter_context(pid_file(pid_path))
        supervisor = Supervisor(config, slots, listeners, admin)
        await supervisor.run()


class Supervisor:
    """All parts of the control plane, and the arrows between them."""

    def __init__(self, config: Config, slots: int, listeners: list[Listener], admin: Listener) -> None:
        self._config = config
        self._listeners = listeners
        self._admin_url = admin.url
        self._state = State.STARTING
        self._signalled = asyncio.Event()
        sizes = capacities(config, slots)
        self._segment = _shared_memory(sizes)
        control, view = Control(self._segment), View(self._segment)
        rows = Rows(services=sizes.services, series=sizes.series, limits=sizes.limits)
        self._snapshot = compile_snapshot(config, FIRST_EPOCH, rows)
        draw = secrets.SystemRandom().random
        self._instances = Instances(control, view, rows.services(), sizes.instances, monotonic_ns)
        self._health = HealthService(self._flipped, probe=probe, draw=draw)
        self._discovery = DiscoveryService(self._changed, partial(dns.watch, draw=draw))
        sockets = {listener.name: listener.filenos() for listener in listeners}
        equipment = Equipment(self._segment.fileno(), sockets, config.log.level)
        self._workers = Workers(slots, equipment, control, sizes.lanes, clock=monotonic_ns)
        self._monitor = Monitor(self._workers, view, clock=monotonic_ns)
        self._overview = Overview(
            state=lambda: self._state,
            clock=monotonic_ns,
            readings=view,
            dictionary=Dictionary(_legend(config, rows), COUNTERS, DURATION_BOUNDS),
            instances=self._instances,
            health=self._health,
            workers=self._workers,
        )
        self._admin = AdminServer(application(self._overview), admin.sockets[0])

    async def run(self) -> None:
        """From start to stop; whatever happens on the way, no process and no task is left behind."""
        self._take_signals()
        try:
            self._start_services()
            if await self._start_workers():
                self._announce()
                self._workers.reopen_logs()
                await self._signalled.wait()
            await self._drain()
        except BaseException:
            self._enter(Event.FAILED)
            raise
        finally:
            await self._monitor.stop()
            self._workers.destroy()
            await self._stop_services()

    # Start

    def _start_services(self) -> None:
        self._admin.start()
        self._monitor.start()
        for name, service in self._config.services.items():
            self._discovery.add(name, _members(service))

    async def _start_workers(self) -> bool:
        """Starts the workers; False when a signal came first."""
        start = self._workers.start(*self._snapshot)
        started = await self._unless_signalled(start)
        if started:
            self._enter(Event.SERVING)
        return started

    def _announce(self) -> None:
        """The ready line of the outside contract; nothing else is ever printed on standard output."""
        ready = {
            "ready": True,
            "pid": os.getpid(),
            "workers": [worker.pid for worker in self._workers.processes()],
            "listen": [listener.url for listener in self._listeners],
            "admin": self._admin_url,
        }
        with contextlib.suppress(OSError):  # whoever started us may not care, and have closed it
            sys.stdout.write(orjson.dumps(ready).decode() + "\n")
            sys.stdout.flush()
        logger.info("ready: %s", ", ".join(listener.url for listener in self._listeners))

    # Stop

    async def _drain(self) -> None:
        """Readiness fails from here on; a further signal ends the drain."""
        self._signalled.clear()
        timeout, tunnel_timeout = (
            self._config.gateway.drain_timeout,
            self._config.gateway.tunnel_drain_timeout,
        )
        if self._state is State.DRAINING:
            for listener in self._listeners:
                listener.quiesce()
            refusal = asyncio.ensure_future(self._refuse_connections())
            await self._unless_signalled(self._workers.drain(timeout.seconds, tunnel_timeout.seconds))
            refusal.cancel()
        self._enter(Event.EMPTY)

    async def _refuse_connections(self) -> None:
        """Closing is not enough, for every worker holds copies: clients would wait in a backlog that nobody empties."""
        await asyncio.sleep(ACCEPT_GRACE_S)
        for listener in self._listeners:
            listener.refuse()

    async def _stop_services(self) -> None:
        await self._discovery.close()
        await self._health.close()
        self._instances.close()
        await self._admin.stop()
        logger.info("stopped")

    # Signals

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen_logs)

    def _terminate(self, number: signal.Signals) -> None:
        self._enter(Event.TERMINATE)
        logger.info("%s: the gateway is %s", number.name, self._state)
        self._signalled.set()

    def _reopen_logs(self) -> None:
        if self._state is not State.STARTING:  # workers open their logs after the ready line anyway
            self._workers.reopen_logs()
            logger.info("SIGUSR1: the access log is opened anew")

    @staticmethod
    def _hang_up() -> None:
        logger.warning("SIGHUP ignored: a running gateway cannot take a new configuration")

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

    # Arrows between the services

    def _changed(self, service: str, members: tuple[Member, ...]) -> None:
        """Discovery found other members."""
        came, gone = self._instances.apply(service, members)
        for instance in gone:
            self._health.forget(service, instance.address)
        check = self._config.services[service].health
        if check is not None:
            for instance in came:
                self._health.watch(_target(service, instance.member, check))

    def _flipped(self, target: Target, report: Report) -> None:
        """A health check changed its mind."""
        level = logging.INFO if report.healthy else logging.WARNING
        logger.log(
            level,
            "service %s: %s is %s: %s",
            target.service,
            target.address,
            report.health.name.lower(),
            report.reason,
        )
        self._instances.set_health(target.service, target.address, report.health)


def _shared_memory(sizes: Capacities) -> Segment:
    try:
        return Segment.create(**sizes.arguments(), hash_seed=secrets.randbits(64))
    except (OSError, ValueError) as error:
        raise StartError(f"cannot make the shared memory: {error}") from None


def _legend(config: Config, rows: Rows) -> Legend:
    services = {route.name: route.service for route in config.routes}
    return Legend(rows.requests(services), rows.limits(), rows.services())


def _members(service: Service) -> list[Member]:
    return [
        Member(instance.address, instance.weight, instance.max_in_flight or 0)
        for instance in service.instances
    ]


def _target(service: str, member: Member, check: HealthCheck) -> Target:
    return Target(
        service,
        member.address,
        Check(Probe(check.type), check.path, check.timeout.seconds),
        check.interval.seconds,
        Thresholds(check.fall, check.rise),
    )
