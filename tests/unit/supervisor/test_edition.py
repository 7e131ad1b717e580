"""Editions made of files, and every reason against one."""

from pathlib import Path

import orjson
import pytest

from gateway.config.load import parse
from gateway.config.overrides import Overrides, patched, read
from gateway.errors import ConfigErrors
from gateway.supervisor.edition import Bounds, Edition, first_edition, next_edition, same_edition
from gateway.supervisor.rows import Rows
from gateway.supervisor.telemetry.metrics import RequestRow

TEXT = """\
[gateway]
workers = 2
[[listen]]
address = "127.0.0.1:8080"
[services.api]
instances = ["10.0.0.1:80"]
[[routes]]
service = "api"
"""


class World:
    """A running edition, and a file that may become the next."""

    def __init__(self, folder: Path, *, services: int = 8, series: int = 8, limits: int = 8) -> None:
        self.file = folder / "gateway.toml"
        rows = Rows.fresh(services=services, series=series, limits=limits)
        self.running = first_edition(parse(TEXT, "first", {}), rows)
        self.compiled: list[bytes] = []
        self.overrides = Overrides()

    def next(self, text: str) -> Edition:
        """The edition that a text makes; it becomes the running one."""
        self.file.write_text(text)
        self.running = next_edition(
            self.file, {}, self.running, Bounds(7, 2, self.compiled.append), self.overrides
        )
        return self.running

    def mistakes(self, text: str) -> list[str]:
        """What speaks against a text, in one line each; nothing is given out for it."""
        before = self.running.rows.copy()
        with pytest.raises(ConfigErrors) as caught:
            self.next(text)
        assert self.running.rows.requests() == before.requests()
        assert self.running.rows.services() == before.services()
        return [mistake.headline() for mistake in caught.value.mistakes]


def test_the_next_edition_keeps_what_stays(tmp_path: Path) -> None:
    """Numbers and rows go by name; the engine is asked about the very blob that is published."""
    world = World(tmp_path)
    first = world.running
    second = world.next(TEXT.replace("8080", "9090"))
    assert (first.epoch, second.epoch) == (1, 2)
    assert world.compiled == [second.blob]
    assert second.head["listeners"] == [{"name": "127.0.0.1:9090", "number": 1}]
    assert list(second.retired) == ["127.0.0.1:8080"]
    assert orjson.loads(second.blob)["listeners"][0] == orjson.loads(first.blob)["listeners"][0]
    assert RequestRow(1, "127.0.0.1:8080", "*", "api") in second.legend.requests
    assert list(second.changes) == ["listener 127.0.0.1:9090 added", "listener 127.0.0.1:8080 removed"]
    third = world.next(TEXT)
    assert third.head["listeners"] == first.head["listeners"]
    assert list(third.retired) == ["127.0.0.1:9090"]


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (("workers = 2", "workers = 2\nadmin = '127.0.0.1:1'"), "3:9: gateway.admin: a running gateway cannot"),
        (("workers = 2", "workers = 8"), "2:11: gateway.workers: too many for the running gateway: it has lanes for 7"),
        (('address = "127.0.0.1:8080"', 'address = "fd:7"'), "4:11: listen[0].address: an inherited descriptor"),
        (("[[routes]]", "[[route]]"), "unknown key"),
    ],
)  # fmt: skip
def test_what_a_running_gateway_cannot_take(tmp_path: Path, change: tuple[str, str], mistake: str) -> None:
    """Each reason names the key and its place in the file."""
    mistakes = World(tmp_path).mistakes(TEXT.replace(*change))
    assert any(mistake in line for line in mistakes), mistakes


def test_tables_that_are_full(tmp_path: Path) -> None:
    """The key whose parts are too many is named, with how many there may be."""
    more = '[services.web]\ninstances = ["10.0.0.2:80"]\n[[routes]]\nhost = "a"\nservice = "web"\n'
    (mistake,) = World(tmp_path, services=1).mistakes(TEXT + more)
    assert "services: too many for the running gateway: the shared memory has room for 1 services" in mistake
    (mistake,) = World(tmp_path, series=2).mistakes(TEXT + more)
    assert "routes: too many for the running gateway: the shared memory has room for 2 pairs" in mistake
    (mistake,) = World(tmp_path, limits=0).mistakes(TEXT + 'limit = { rate = "1/s" }\n')
    assert "routes: too many for the running gateway: the shared memory has room for 0 limits" in mistake


def test_a_descriptor_that_was_named_at_the_start_may_come_back(tmp_path: Path) -> None:
    """Its number still means what it meant."""
    world = World(tmp_path)
    inherited = TEXT.replace('"127.0.0.1:8080"', '"fd:7"')
    rows = Rows.fresh(services=8, series=8, limits=8)
    world.running = first_edition(parse(inherited, "first", {}), rows)
    world.next(TEXT)
    assert world.next(inherited).epoch == 3


def test_what_the_engine_refuses(tmp_path: Path) -> None:
    """Its reason is a mistake of the whole file, and no worker has to be asked."""

    def refuses(_: bytes) -> None:
        raise ValueError("routes[0]: it leads nowhere")

    world = World(tmp_path)
    world.file.write_text(TEXT)
    with pytest.raises(ConfigErrors, match=r"the engine refuses it: routes\[0\]: it leads nowhere"):
        next_edition(world.file, {}, world.running, Bounds(7, 2, refuses), world.overrides)


def test_overrides_outlive_the_file(tmp_path: Path) -> None:
    """They are in every edition until they are taken back, and what the file has comes back then."""
    world = World(tmp_path)
    text = TEXT + 'name = "all"\nlimit = { rate = "10/s" }\n'
    world.next(text)
    world.overrides = read(patched({}, {"routes": {"all": {"limit": {"rate": "20/s"}}}}))
    bounds = Bounds(7, 2, world.compiled.append)
    world.running = same_edition(world.running, bounds, world.overrides)
    assert (world.running.epoch, rates(world.running)) == (3, [20])
    assert list(world.running.changes) == ["route all changed"]
    assert world.compiled[-1] == world.running.blob
    assert rates(world.next(text.replace("8080", "9090"))) == [20]
    assert rates(same_edition(world.running, bounds, Overrides())) == [10]


def test_what_is_in_force_is_doubted(tmp_path: Path) -> None:
    """By its place in the file: an override that has a prepared fault hit somebody is told, and none that has it hit nobody."""
    world = World(tmp_path)

    def places(abort_percent: int) -> list[str]:
        fault = f"fault = {{ abort = 503, abort_percent = {abort_percent} }}\n"
        return [doubt.headline() for doubt in world.next(TEXT + 'name = "all"\n' + fault).doubts]

    (warned,) = places(100)
    assert ":9: routes[0].fault: " in warned
    assert places(0) == []
    world.overrides = read(patched({}, {"routes": {"all": {"fault": {"abort_percent": 50}}}}))
    assert places(0) == [warned]
    world.overrides = read(patched({}, {"routes": {"all": {"fault": {"abort_percent": 0}}}}))
    assert places(100) == []


def test_overrides_and_file_keep_the_rules_together(tmp_path: Path) -> None:
    """Neither comes into force if the other makes nonsense of it: the one that comes second is refused, and told why."""
    world = World(tmp_path)
    text = TEXT + 'name = "all"\nlimit = { rate = "1/s" }\n'
    world.next(text)
    slow = read(patched({}, {"routes": {"all": {"limit": {"burst": 10_000, "rate": "1/h"}}}}))
    bounds = Bounds(7, 2, world.compiled.append)
    with pytest.raises(ConfigErrors) as caught:
        same_edition(world.running, bounds, slow)
    year = "expected a burst that comes back within a year at this rate"
    assert [one.headline() for one in caught.value.mistakes] == [f"routes.all.limit.burst: {year}"]
    world.overrides = read(patched({}, {"routes": {"all": {"limit": {"burst": 10_000}}}}))
    world.running = same_edition(world.running, bounds, world.overrides)
    (mistake,) = world.mistakes(text.replace("1/s", "1/h"))
    assert mistake.endswith(f"routes[0].limit: with the override of routes.all.limit.burst: {year}")
    assert rates(world.next(text.replace("1/s", "2/s"))) == [2]


def test_the_engine_may_refuse_overrides_too(tmp_path: Path) -> None:
    """The reason is the engine's; there is no file to blame."""
    world = World(tmp_path)

    def refuses(_: bytes) -> None:
        raise ValueError("no")

    with pytest.raises(ConfigErrors, match="1 mistake") as caught:
        same_edition(world.running, Bounds(7, 2, refuses), Overrides())
    assert [mistake.headline() for mistake in caught.value.mistakes] == ["the engine refuses it: no"]


def rates(edition: Edition) -> list[int]:
    """Tokens per period of every limit, as the workers get them."""
    return [limit["tokens"] for route in orjson.loads(edition.blob)["routes"] for limit in route["limits"]]


def test_a_subset_is_idle_when_no_route_leads_to_it(tmp_path: Path) -> None:
    """It keeps its row, and so does the whole service when all its routes have subsets."""
    world = World(tmp_path)
    assert world.running.idle_subsets() == {"api": frozenset()}
    labelled = TEXT.replace('["10.0.0.1:80"]', '[{ address = "10.0.0.1:80", labels = { version = "v2" } }]')
    v2 = (("version", "v2"),)
    assert world.next(labelled + 'subset = { version = "v2" }\n').idle_subsets() == {"api": frozenset({()})}
    assert world.next(TEXT).idle_subsets() == {"api": frozenset({v2})}


def test_a_service_that_a_split_leads_to_is_not_idle(tmp_path: Path) -> None:
    """Every side of it counts, also one that gets nothing for now."""
    split = 'split = [{ service = "api", weight = 100 }, { service = "new", weight = 0 }]'
    text = TEXT.replace('service = "api"', split) + '[services.new]\ninstances = ["10.0.0.2:80"]\n'
    assert World(tmp_path).next(text).idle_subsets() == {"api": frozenset(), "new": frozenset()}


def test_the_legend_names_the_services_with_a_queue(tmp_path: Path) -> None:
    """As they are in force."""
    world = World(tmp_path)
    assert world.running.legend.queued == frozenset()
    queue = 'instances = [{ address = "10.0.0.1:80", max_in_flight = 1 }]\nqueue = { size = 1 }'
    assert world.next(TEXT.replace('instances = ["10.0.0.1:80"]', queue)).legend.queued == {"api"}
    assert world.next(TEXT).legend.queued == frozenset()
