"""CPU time per request of a gateway's whole process group while a closed loop keeps it busy."""

from bench.peers.load import LoadError, LoadReport, wrk
from bench.peers.measures import Figure, Subject, Taking
from gateway.benchmark.cpu import core_busy_seconds, group_time


class Cost:
    """Microseconds of CPU time that a request costs whoever pays for the core."""

    in_company = False
    figures = (
        Figure("cost", "CPU µs/request", 2, compared=True),
        Figure("user", "user", 2),
        Figure("system", "system", 2),
        Figure("supervisor", "supervisor", 2),
        Figure("busy", "core busy %"),
        Figure("requests_per_second", "requests/s"),
        Figure("foreign", "others on the core %", 1, shown=False),
        Figure("requests", "requests", shown=False),
        Figure("seconds", "seconds", 3, shown=False),
    )
    programs = ("wrk",)

    def warm_up(self, subject: Subject, seconds: int, /) -> None:
        """The same load, until every client has sent a request."""
        sent = 0
        while sent < subject.job.setup.clients:
            sent += _load(subject, seconds, first_client=sent).requests

    def take(self, subject: Subject, seconds: int, /) -> Taking:
        """Loads the gateway between two looks at what it has used."""
        yield from ()  # it stands alone
        group, core = subject.server.group, subject.core
        before, core_before = group_time(group), _busy(core)
        report = _load(subject, seconds)
        after, core_after = group_time(group), _busy(core)
        if before.pids != after.pids:
            raise LoadError(f"it had processes {sorted(before.pids)}, and then {sorted(after.pids)}")
        used = after.total - before.total
        figures = {
            "cost": used.total / report.requests * 1e6,
            "user": used.user / report.requests * 1e6,
            "system": used.system / report.requests * 1e6,
            "requests_per_second": report.requests_per_second,
            "requests": report.requests,
            "seconds": report.seconds,
        }
        if len(after.pids) > 1:  # else there is no supervisor or master beside the worker
            figures["supervisor"] = (after.leader - before.leader).total / report.requests * 1e6
        if core is not None:
            # The kernel counts a core by ticks and a process by its run time: the difference may come out below 0.
            foreign = max(0.0, core_after - core_before - used.total)
            figures["busy"] = used.total / report.seconds * 100
            figures["foreign"] = foreign / report.seconds * 100
        return figures


def _load(subject: Subject, seconds: int, *, first_client: int = 0) -> LoadReport:
    program, port = subject.programs["wrk"], subject.server.port
    return wrk.run(program, subject.job, port, seconds, folder=subject.folder, first_client=first_client)


def _busy(core: int | None) -> float:
    return 0.0 if core is None else core_busy_seconds(core)
