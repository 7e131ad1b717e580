"""Applies a new configuration to a running gateway, or other overrides of it: the whole, or nothing with the reason.

SIGHUP and the admin API come here, one after the other. Until the sockets are open and further workers have taken the
snapshot anything may refuse and nothing has changed; from there on nothing may fail, so the steps follow one rule: what is
new is there before a request can be led to it, and what is gone ends when no worker leads requests to it any more.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.config.overrides import Overrides, described, patched, read, without_place
from gateway.config.paths import dotted
from gateway.config.schema import Config
from gateway.errors import ConfigErrors, Mistake
from gateway.supervisor import logs
from gateway.supervisor.access_log import require_writable
from gateway.supervisor.cluster.membership import Membership
from gateway.supervisor.cluster.store import Store
from gateway.supervisor.edition import Bounds, Edition, next_edition, same_edition
from gateway.supervisor.failure import StartError
from gateway.supervisor.launch import Equipment
from gateway.supervisor.listeners import Listeners, Opening
from gateway.supervisor.overrides import OverrideBook
from gateway.supervisor.recruits import NoRecruitError
from gateway.supervisor.roster import Roster
from gateway.supervisor.workers import Slot, Workers

logger = logging.getLogger("headgate.reload")

MAX_LOGGED = 20  # lines of one reload; whoever changes more at once reads the answer of the API, or the file


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reload."""

    applied: bool
    epoch: int
    """That of the configuration now in force."""
    changes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What did not go as it should, though the configuration is in force."""
    reason: str = ""
    """Why nothing has changed."""
    mistakes: tuple[Mistake, ...] = ()
    """What is wrong with the file, where that is the reason."""


class Reloader:
    """Holds the edition in force and is the only one to replace it."""

    def __init__(
        self,
        file: Path,
        environ: Mapping[str, str],
        edition: Edition,
        bounds: Bounds,
        *,
        serving: Callable[[], bool],
        listeners: Listeners,
        roster: Roster,
        workers: Workers,
        equipment: Callable[[Config, Opening], Equipment],
        overrides: OverrideBook,
        membership: Membership,
    ) -> None:
        """``serving``: only a gateway that does takes a new configuration; ``equipment``: what its workers inherit."""
        self.edition = edition
        self._revise = partial(next_edition, file, environ)
        self._bounds = bounds
        self._serving = serving
        self._listeners = listeners
        self._roster = roster
        self._workers = workers
        self._equipment = equipment
        self._book = overrides
        self._membership = membership
        self._one_at_a_time = asyncio.Lock()
        self._hung_up = asyncio.Event()

    def hang_up(self) -> None:
        """SIGHUP: reload soon; many before that happens are one."""
        self._hung_up.set()

    async def obey(self) -> None:
        """Reloads whenever it was asked to by ``hang_up``, until cancelled."""
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            await self.reload()

    async def reload(self) -> Outcome:
        """Brings the file's configuration into force; returns when every worker that it wants decides by it, or why nothing
        changed.
        """
        async with self._one_at_a_time:
            outcome = await self._reload()
        _log(outcome)
        return outcome

    async def override(self, patch: object, by: str) -> Outcome:
        """Changes the overrides by a JSON Merge Patch; returns when every worker decides by them, or why nothing changed.

        ``by`` names whoever wants it, for the audit record.
        """
        async with self._one_at_a_time:
            if not self._serving():
                return self._refused("the gateway is starting or stopping")
            try:
                overrides = read(patched(self._book.overrides.settings, patch))
                self._require_places(overrides)
                if not overrides.configure_as(self._book.overrides):
                    await self._readjust(overrides)
            except ConfigErrors as errors:
                return self._refused("the overrides are wrong", errors.mistakes)
            self._roster.adjust(overrides.instances)
            changes = self._book.take(overrides, by)
            return Outcome(applied=True, epoch=self.edition.epoch, changes=changes)

    async def _readjust(self, overrides: Overrides) -> None:
        """Brings other limits and splits into force. Raises ConfigErrors."""
        make = partial(same_edition, self.edition, self._bounds, overrides)
        self.edition = await asyncio.get_running_loop().run_in_executor(None, make)
        await self._workers.publish(self.edition.head, self.edition.blob, {})

    def _require_places(self, overrides: Overrides) -> None:
        """What is new, or has another value, must have an effect. Raises ConfigErrors. (What is old may have lost its place by a
        reload.)
        """
        known = self._book.overrides
        mistakes = [
            described(path, reason)
            for path, reason in without_place(self.edition.config, overrides)
            if known.settings.get(path) != overrides.settings[path]
        ]
        for service, adjustments in overrides.instances.items():
            for address in adjustments.keys() - known.instances.get(service, {}).keys():
                if service in self.edition.config.services and not self._roster.instances.find(
                    service, address
                ):
                    path = ("services", service, "instances", str(address))
                    mistakes.append(described(path, "the service has no instance at this address"))
        if mistakes:
            raise ConfigErrors("", mistakes)

    async def _reload(self) -> Outcome:
        if not self._serving():
            return self._refused("the gateway is starting or stopping")
        try:
            loop = asyncio.get_running_loop()
            revise = partial(self._revise, self.edition, self._bounds, self._book.overrides)
            edition = await loop.run_in_executor(None, revise)
        except ConfigErrors as errors:
            return self._refused("the configuration is wrong", errors.mistakes)
        except Exception:  # a bug, but nothing has changed: what serves goes on serving
            logger.exception("reading the configuration failed")
            return self._refused("reading the configuration failed, which is a bug: the log tells where")
        count = edition.config.gateway.worker_count(self._bounds.cpus)
        if not self._workers.has_room_for(count):
            return self._refused("workers of an earlier reload are still leaving: try again later")
        try:
            require_writable(edition.config.log.access)
            opening = self._listeners.open([listen.address for listen in edition.config.listen], count)
        except StartError as error:
            return self._refused(str(error))
        async with contextlib.AsyncExitStack() as undo:
            undo.callback(opening.abandon)
            try:
                store = self._membership.prepare(edition.config.cluster)
            except StartError as error:
                return self._refused(str(error))
            if store is not None:
                undo.push_async_callback(store.close)
            equipment = self._equipment(edition.config, opening)
            try:
                await self._workers.recruit(count, edition.head, edition.blob, equipment)
            except NoRecruitError as error:
                return self._refused(str(error))
            if not self._serving():  # a signal came meanwhile
                return self._refused("the gateway is stopping")
            undo.pop_all()
        absent = await self._apply(edition, opening, store, count)
        warnings = [doubt.headline() for doubt in edition.doubts]
        warnings += [f"worker {slot.number} does not serve yet: it is {slot.state}" for slot in absent]
        for path, reason in without_place(edition.config, self._book.overrides):
            warnings.append(f"the override of {dotted(path)} has no effect: {reason}")
        return Outcome(
            applied=True, epoch=edition.epoch, changes=tuple(edition.changes), warnings=tuple(warnings)
        )

    async def _apply(self, edition: Edition, opening: Opening, store: Store | None, count: int) -> list[Slot]:
        """Brings it into force; returns the new slots whose worker has not come up."""
        config = edition.config
        self.edition = edition
        banks, idle = edition.rows.banks(), edition.idle_subsets()
        await self._roster.set(config.services, banks, config.gateway.zone, idle)
        self._membership.adopt(config.cluster, store, edition.shared)
        addresses = [listen.address for listen in config.listen]
        further = opening.descriptors()
        # And at once the snapshot: a worker that starts between would have the sockets twice.
        self._listeners.take(opening)
        self._listeners.adjust(config.write_timeouts_ms())
        logs.configure(config.log.level)
        self._listeners.quiesce_all_but(addresses)
        await self._workers.publish(edition.head, edition.blob, further)
        settings = config.gateway
        filled = self._workers.resize(
            count, settings.drain_timeout.seconds, settings.tunnel_drain_timeout.seconds
        )
        self._listeners.end_all_but(addresses)
        self._membership.retire(config.cluster, edition.shared)
        await self._roster.remove_all_but(config.services)
        return await self._workers.manned(filled)

    def _refused(self, reason: str, mistakes: tuple[Mistake, ...] = ()) -> Outcome:
        return Outcome(applied=False, epoch=self.edition.epoch, reason=reason, mistakes=mistakes)


def _log(outcome: Outcome) -> None:
    if outcome.applied:
        logger.info("reloaded: epoch %d is in force", outcome.epoch)
        lines, level = list(outcome.changes), logging.INFO
    else:
        logger.error("reload refused, epoch %d stays in force: %s", outcome.epoch, outcome.reason)
        lines, level = [mistake.headline() for mistake in outcome.mistakes], logging.ERROR
    for warning in outcome.warnings:
        logger.warning("%s", warning)
    for line in lines[:MAX_LOGGED]:
        logger.log(level, "%s", line)
    if len(lines) > MAX_LOGGED:
        logger.log(level, "and %d more", len(lines) - MAX_LOGGED)
