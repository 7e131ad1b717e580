"""Memory that an idle keep-alive client costs a gateway."""

from bench.peers.load.idle import IdleClients
from bench.peers.measures import Figure, Subject, Taking
from gateway.benchmark.memory import group_memory

_BEFORE = 500
"""Clients that are there at the first look: what a gateway sets up for its first connections is no client's."""


class IdleMemory:
    """Bytes of the process group, for each client that has sent one request and keeps its connection."""

    in_company = False
    figures = (
        Figure("client", "bytes/client", compared=True),
        Figure("client_resident", "by RSS"),
        Figure("total", "gateway in all, MiB", 1),
    )
    programs = ()

    def warm_up(self, subject: Subject, _seconds: int, /) -> None:
        """Nothing to warm: a process that has served much before has free memory to give to new clients."""

    def take(self, subject: Subject, _seconds: int, /) -> Taking:
        """Growth between two numbers of idle clients."""
        yield from ()  # it stands alone
        counted = subject.job.workload.connections - _BEFORE
        with IdleClients(subject.server.port, subject.job.workload) as clients:
            clients.add(_BEFORE)
            before = group_memory(subject.server.group)
            clients.add(counted)
            after = group_memory(subject.server.group)
        grown = after - before
        return {
            "client": grown.proportional / counted,
            "client_resident": grown.resident / counted,
            "total": after.proportional / 2**20,
        }
