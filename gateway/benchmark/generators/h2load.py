"""h2load: closed loops of GETs, or of one POST, on kept connections; every request is read from its log."""

from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from gateway.benchmark.generators import Place, closed_loop
from gateway.benchmark.generators.closed_loop import Run, said_by
from gateway.benchmark.load import Closed, Load, LoadError, Target, spread_over
from gateway.benchmark.tally import Pace, Part, Tally

LOST = "connection closed before the answer"


class H2load:
    """The program ``h2load``, speaking HTTP/1.1, in runs of about a second, each of which is a part."""

    name = "h2load"
    install = "apt install nghttp2-client (Debian, Ubuntu), dnf install nghttp2 (Fedora), brew install nghttp2 (macOS)"
    threads = staticmethod(closed_loop.threads)
    can = "closed loops of GETs, or of one POST, on kept connections"

    async def version(self) -> str | None:
        """The version of nghttp2, which it is a part of."""
        said = await said_by("h2load", "--version")
        words = (said or "").split()
        return words[-1].removeprefix("nghttp2/") if words else said and "of an unknown version"

    def objection(self, load: Load) -> str | None:
        """One set of fields, and no method but GET and POST."""
        if not isinstance(load.shape, Closed):
            return "sends requests at a rate in bursts, and takes their latency from when it sent them"
        if not load.keep_alive:
            return "keeps its connections"
        if len({request.fields for request in load.requests}) > 1:
            return "sends the same header fields with every request"
        if len(load.requests) > 1 and any(request.method != "GET" for request in load.requests):
            return "mixes nothing but GETs"
        if any(request.method not in ("GET", "POST") for request in load.requests):
            return "sends nothing but GETs and POSTs"
        return None

    def parts(self, target: Target, place: Place, load: Load) -> AsyncGenerator[Part, None]:
        """Whole seconds, as for the others."""
        del place

        async def once(run: Run) -> Part:
            log = run.folder / "log"
            log.unlink(missing_ok=True)
            ended = await run.ended(arguments(target, load, run.seconds, run.folder))
            if not log.exists():
                raise LoadError("h2load has written no log")
            with log.open(encoding="ascii", errors="replace") as lines:
                return parse(lines, run.seconds, ended.cpu_seconds)

        return closed_loop.runs(self.name, load, once)


def arguments(target: Target, load: Load, seconds: int, folder: Path) -> list[str]:
    """The command line without the program; writes the files that it names."""
    size = ["-t", str(closed_loop.threads(load)), "-c", str(load.connections), "-D", str(seconds)]
    first = load.requests[0]
    fields = [word for name, value in first.fields for word in ("-H", f"{name}: {value}")]
    if first.method == "POST":
        (folder / "body").write_bytes(first.body)
        fields += ["-d", str(folder / "body")]
    urls = folder / "urls"
    urls.write_text(
        "".join(f"{target.url}{load.requests[index].path}\n" for index in spread_over(load.requests))
    )
    waits = ["-N", f"{max(1, round(load.timeout_seconds))}s"]
    return ["--h1", *size, *waits, *fields, f"--log-file={folder / 'log'}", "-i", str(urls)]


def parse(lines: Iterable[str], seconds: float, cpu_seconds: float) -> Part:
    """Its log: a line for each request of start, status and duration, both in microseconds. Raises LoadError."""
    tally = Tally()
    for line in lines:
        try:
            _, status, duration = (int(word) for word in line.split("\t")[:3])
        except ValueError:
            raise LoadError(f"this is not a line of h2load's log: {line[:200]!r}") from None
        if status < 0:
            tally.errors[LOST] += 1
        else:
            tally.statuses[str(status)] += 1
            tally.latencies.record(duration)
    return Part(seconds, {"": tally}, Pace(cpu_seconds=cpu_seconds))
