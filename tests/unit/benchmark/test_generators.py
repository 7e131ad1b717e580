"""What generators are asked to do, and how what they say is read: whatever they say."""

import subprocess
from pathlib import Path

import pytest

from gateway.benchmark.generators import Choice, choose, h2load, wrk
from gateway.benchmark.generators.h2load import H2load
from gateway.benchmark.generators.open_loop import RATE_OF_A_PROCESS, OpenLoop
from gateway.benchmark.generators.wrk import Wrk
from gateway.benchmark.load import Closed, Load, LoadError, Request, Shape, Steady, Step, Target
from gateway.benchmark.measure import GENERATORS

TARGET = Target.parse("http://127.0.0.1:8080/")
GET, POST = Request("get", path="/a", weight=3), Request("post", "POST", "/b", (), b'\x00\xff"\\\n]]')
CLOSED = Closed(1)
REPORT = """\
Running 1s test @ http://127.0.0.1:8080
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.15ms    1.05ms   9.28ms   89.11%
headgate: totals	5	1003107	1	0	2	0	1
headgate: latency	100	2
headgate: latency	250	3
"""


def load(*requests: Request, shape: Shape = CLOSED, keep_alive: bool = True) -> Load:
    """A load of some connections."""
    return Load(requests or (GET,), shape, 4, keep_alive)


def test_wrk_report() -> None:
    """Statuses, errors by kind and the whole histogram."""
    part = wrk.parse(REPORT, 0.5)
    tally = part.kinds[""]
    assert part.seconds == pytest.approx(1.003107)
    assert part.pace.cpu_seconds == 0.5
    assert dict(tally.statuses) == {"2xx or 3xx": 4, "4xx or 5xx": 1}
    assert dict(tally.errors) == {"connection closed before the answer": 2, "timed out": 1}
    assert (tally.latencies.count, tally.latencies.percentile(40), tally.latencies.longest) == (5, 100, 250)
    assert (tally.requests, tally.failed) == (8, 4)


@pytest.mark.parametrize(
    "output",
    [
        "", "headgate: totals", "headgate: totals a b c d e f g", REPORT.replace("totals\t5", "totals\t-5"),
        REPORT.replace("latency\t100", "latency\tx"), REPORT.replace("1003107\t1", "1003107\t6"),
        REPORT.replace("1003107", "0"), REPORT.replace("1003107", "inf"), REPORT.replace("\t1\n", "\n", 1),
    ],
)  # fmt: skip
def test_what_is_no_report_of_wrk(output: str) -> None:
    """It is an error, not a result."""
    with pytest.raises(LoadError, match="not a report of wrk"):
        wrk.parse(output, 0.0)


def test_wrk_script_holds_the_requests_as_they_are() -> None:
    """Every byte that means something to Lua is written as its number, so that no request is program."""
    script = wrk.script(TARGET, load(GET, POST), 2)
    line = next(line for line in script.splitlines() if line.startswith("local requests"))
    texts = line.split('"')[1::2]
    decoded = [bytes(_lua_bytes(text)) for text in texts]
    assert decoded == [request.encode("127.0.0.1:8080", keep_alive=True) for request in (GET, POST)]
    assert "local turn = 2" in script


def _lua_bytes(text: str) -> list[int]:
    found, index = [], 0
    while index < len(text):
        if text[index] == "\\":
            found.append(int(text[index + 1 : index + 4]))
            index += 4
        else:
            found.append(ord(text[index]))
            index += 1
    return found


def test_h2load_log() -> None:
    """A line for each request; -1 is one that was lost."""
    part = h2load.parse(
        ["1700000000000000\t200\t150\n", "1700000000000001\t503\t10\textra\n", "1\t-1\t0\n"], 1.0, 0.1
    )
    tally = part.kinds[""]
    assert dict(tally.statuses) == {"200": 1, "503": 1}
    assert tally.errors.total() == 1
    assert tally.latencies.longest == 150


def test_what_is_no_log_of_h2load() -> None:
    """Half a line is an error, not a result."""
    with pytest.raises(LoadError, match="not a line of h2load's log"):
        h2load.parse(["17000000"], 1.0, 0.0)


def test_h2load_arguments(tmp_path: Path) -> None:
    """HTTP/1.1, the mix as a cycle of URLs, a body as a file."""
    gets = load(GET, Request("other", path="/c"))
    line = h2load.arguments(TARGET, gets, 2, tmp_path)
    assert line[0] == "--h1"
    assert (tmp_path / "urls").read_text().splitlines().count("http://127.0.0.1:8080/a") == 3
    assert "-d" in h2load.arguments(TARGET, load(POST), 2, tmp_path)
    assert (tmp_path / "body").read_bytes() == POST.body


STEADY = Steady((Step(10, 1),))


@pytest.mark.parametrize(
    ("generator", "asked", "can"),
    [
        (Wrk(), load(GET, POST), True),
        (Wrk(), load(keep_alive=False), True),
        (Wrk(), load(shape=STEADY), False),
        (H2load(), load(), True),
        (H2load(), load(POST), True),
        (H2load(), load(GET, POST), False),
        (H2load(), load(keep_alive=False), False),
        (H2load(), load(Request("d", "DELETE")), False),
        (H2load(), load(GET, Request("f", fields=(("A", "b"),))), False),
        (H2load(), load(shape=STEADY), False),
        (OpenLoop(), load(GET, POST, shape=STEADY, keep_alive=False), True),
        (OpenLoop(), load(), False),
    ],
)
def test_who_can_what(generator: Wrk | H2load | OpenLoop, asked: Load, can: bool) -> None:
    """A generator takes no load that it would make differently."""
    assert (generator.objection(asked) is None) is can


async def test_without_any_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed loop has none then, a rate has; the reasons say how to install one."""
    monkeypatch.setenv("PATH", "/nowhere")
    choice = await choose(load(), GENERATORS)
    assert choice.generator is None
    assert any("apt install wrk" in why for _, why in choice.objections)
    found: Choice = await choose(load(shape=STEADY), GENERATORS)
    assert isinstance(found.generator, OpenLoop)


def test_as_many_processes_as_the_rate_needs() -> None:
    """One for a small rate, never more than CPUs or connections."""
    assert OpenLoop().threads(load(shape=Steady((Step(RATE_OF_A_PROCESS, 1),)))) == 1
    assert 1 <= OpenLoop().threads(load(shape=Steady((Step(1e9, 1),)))) <= 4


def test_generators_start_as_modules() -> None:
    """The open loop's process fails with a word when its job is none, and with no trace of ours on standard output."""
    done = subprocess.run(
        ["python", "-m", "gateway.benchmark.generators.open_loop_process"],
        input=b"", capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, b"")
