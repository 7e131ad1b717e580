"""wrk: closed loops of any mix of requests, on kept or new connections; its histogram is read through its Lua script."""

import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from gateway.benchmark.generators import Place, closed_loop
from gateway.benchmark.generators.closed_loop import Run, said_by
from gateway.benchmark.load import Closed, Load, LoadError, Target, spread_over
from gateway.benchmark.tally import Pace, Part, Tally

_VERSION = re.compile(r"^wrk (?:debian/)?(\S+)", re.MULTILINE)
_REPORT = "headgate:"
_SCRIPT = """\
local requests = { %(requests)s }
local cycle = { %(cycle)s }
local turn = %(turn)d
request = function()
   turn = turn %% #cycle + 1
   return requests[cycle[turn] + 1]
end
done = function(summary, latency)
   local errors = summary.errors
   print("%(report)s totals", summary.requests, summary.duration, errors.status,
      errors.connect, errors.read, errors.write, errors.timeout)
   for index = 1, #latency do
      print("%(report)s latency", latency(index))
   end
end
"""
_ERRORS = ("connect failed", "connection closed before the answer", "write failed", "timed out")


class Wrk:
    """The program ``wrk``, in runs of about a second, each of which is a part."""

    name = "wrk"
    install = "apt install wrk (Debian, Ubuntu), dnf install wrk (Fedora), brew install wrk (macOS)"
    threads = staticmethod(closed_loop.threads)
    can = "closed loops of any mix of requests, on kept or new connections"

    async def version(self) -> str | None:
        """From its usage, which it prints with an error."""
        said = await said_by("wrk", "-v")
        match = _VERSION.search(said or "")
        return match[1] if match else said and "of an unknown version"

    def objection(self, load: Load) -> str | None:
        """It waits for answers before it sends more."""
        if not isinstance(load.shape, Closed):
            return "sends as fast as the target answers, not at a rate"
        return None

    def parts(self, target: Target, place: Place, load: Load) -> AsyncGenerator[Part, None]:
        """Whole seconds are all it takes."""
        del place

        async def once(run: Run) -> Part:
            path = run.folder / "load.lua"
            path.write_text(script(target, load, run.number), encoding="latin-1")
            ended = await run.ended(arguments(target, load, run.seconds, path))
            return parse(ended.output, ended.cpu_seconds)

        return closed_loop.runs(self.name, load, once)


def arguments(target: Target, load: Load, seconds: int, path: Path) -> list[str]:
    """The command line without the program."""
    size = ["-t", str(closed_loop.threads(load)), "-c", str(load.connections), "-d", f"{seconds}s"]
    return [*size, "--timeout", f"{max(1, round(load.timeout_seconds))}s", "-s", str(path), target.url]


def script(target: Target, load: Load, number: int) -> str:
    """The requests, made once, and the report; each run begins elsewhere in the mix."""
    encoded = [request.encode(target.authority, keep_alive=load.keep_alive) for request in load.requests]
    cycle = spread_over(load.requests)
    return _SCRIPT % {
        "requests": ", ".join(map(_quoted, encoded)),
        "cycle": ", ".join(map(str, cycle)),
        "turn": number % len(cycle),
        "report": _REPORT,
    }


def parse(output: str, cpu_seconds: float) -> Part:
    """What a run says of itself. Raises LoadError when that is no report."""
    tally = Tally()
    try:
        totals = next(_rows(output, "totals"))
        requests, duration, refused, *errors = (int(float(value)) for value in totals)
        for value, count in _rows(output, "latency"):
            tally.latencies.record(int(float(value)), int(float(count)))
        if refused > requests or duration <= 0 or min(requests, refused, *errors) < 0:
            raise ValueError("counts that contradict each other")  # noqa: TRY301 - as what cannot be read
        tally.statuses.update({"2xx or 3xx": requests - refused, "4xx or 5xx": refused})
        tally.errors.update({kind: count for kind, count in zip(_ERRORS, errors, strict=True) if count})
    except (ValueError, StopIteration, OverflowError):
        raise LoadError(f"this is not a report of wrk: {output.strip()[-200:]!r}") from None
    tally.statuses = +tally.statuses
    return Part(duration / 1e6, {"": tally}, Pace(cpu_seconds=cpu_seconds))


def _rows(output: str, kind: str) -> Iterator[list[str]]:
    for line in output.splitlines():
        words = line.split()
        if words[:2] == [_REPORT, kind]:
            yield words[2:]


def _quoted(text: bytes) -> str:
    """A string of Lua: every byte that could mean something is written as its number."""
    return (
        '"'
        + "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03}" for byte in text)
        + '"'
    )
