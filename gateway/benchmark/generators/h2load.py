"""h2load: closed loops of GETs, or of one POST, on kept connections; every request is read from its log."""

import tempfile
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from gateway.benchmark.generators import Place, find, threads_of_a_closed_loop
from gateway.benchmark.load import Closed, Load, LoadError, Target, spread_over
from gateway.benchmark.processes import run
from gateway.benchmark.tally import Pace, Part, Tally

GRACE_SECONDS = 20.0
LOST = "connection closed before the answer"


class H2load:
    """The program ``h2load``, speaking HTTP/1.1, in runs of about a second, each of which is a part."""

    name = "h2load"
    install = "apt install nghttp2-client (Debian, Ubuntu), dnf install nghttp2 (Fedora), brew install nghttp2 (macOS)"
    can = "closed loops of GETs, or of one POST, on kept connections"

    async def version(self) -> str | None:
        """The version of nghttp2, which it is a part of."""
        program = find("h2load")
        if program is None:
            return None
        said = (await run([program, "--version"], within=GRACE_SECONDS)).output.split()
        return said[-1].removeprefix("nghttp2/") if said else "of an unknown version"

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

    def threads(self, load: Load) -> int:
        """As the command line says."""
        return threads_of_a_closed_loop(load)

    async def parts(self, target: Target, place: Place, load: Load) -> AsyncGenerator[Part, None]:
        """Up to ten runs."""
        del place
        assert isinstance(load.shape, Closed)
        program = find("h2load")
        if program is None:
            raise LoadError("h2load is not installed")
        length = max(1, load.shape.seconds // 10)
        with tempfile.TemporaryDirectory(prefix="headgate-bench-") as folder:
            for _ in range(max(1, load.shape.seconds // length)):
                yield await _one(program, target, load, length, Path(folder))


def arguments(target: Target, load: Load, seconds: int, folder: Path) -> list[str]:
    """The command line without the program; writes the files that it names."""
    threads = threads_of_a_closed_loop(load)
    size = ["-t", str(threads), "-c", str(load.connections), "-D", str(seconds)]
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


async def _one(program: str, target: Target, load: Load, seconds: int, folder: Path) -> Part:
    log = folder / "log"
    log.unlink(missing_ok=True)
    try:
        ended = await run(
            [program, *arguments(target, load, seconds, folder)], within=seconds + GRACE_SECONDS
        )
    except TimeoutError:
        raise LoadError(f"h2load did not end {GRACE_SECONDS:.0f} s after its time") from None
    if ended.code != 0 or not log.exists():
        said = (ended.errors.strip() or ended.output.strip() or "without a word").splitlines()[-1]
        raise LoadError(f"h2load failed with code {ended.code}: {said[:200]}")
    with log.open(encoding="ascii", errors="replace") as lines:
        return parse(lines, seconds, ended.cpu_seconds)


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
