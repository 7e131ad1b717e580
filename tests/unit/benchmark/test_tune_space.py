"""What tuning may change: every row makes configurations that are right, and their text keeps what the user wrote."""

import copy
import tomllib
from typing import Any

import pytest

from gateway.benchmark.load import LoadError
from gateway.benchmark.trial_gateway import on_free_ports
from gateway.benchmark.tune.rewrite import RewriteError, rewritten
from gateway.benchmark.tune.space import KNOBS, Change, Machine, Variation, combined, put, variations
from gateway.config import toml
from gateway.config.load import parse
from gateway.config.paths import KeyPath
from gateway.config.schema import Config

CONFIGURATION = """\
# the edge
[gateway]
workers = 1

[[listen]]
address = "0.0.0.0:8080"

[services.api]   # ours
instances = ["127.0.0.1:1", "127.0.0.1:2"]
balance = "round_robin"  # fair
max_idle = 1
passive = false

[services."other.one"]
instances = [{ address = "127.0.0.1:3", max_in_flight = 8 }]

[[routes]]
path = "/a"
service = "api"
retry = { attempts = 0 }

[[routes]]
service = "other.one"
limit = { rate = "1/s" }
"""


def config(text: str = CONFIGURATION) -> Config:
    """The model of a text."""
    return parse(text, "gateway.toml", {})


def named(*only: str, every: bool = False, text: str = CONFIGURATION, cpus: int = 4) -> list[str]:
    """The names of the variations of a text."""
    return [one.name for one in variations(config(text), Machine(cpus), only, every=every)]


@pytest.mark.parametrize("variation", variations(config(), Machine(4), every=True), ids=lambda one: one.name)
def test_every_variation_is_a_right_configuration(variation: Variation) -> None:
    """With the value that it says, and no other difference."""
    tables = tomllib.loads(CONFIGURATION)
    changed = parse(toml.dumps(variation.apply(tables)), "gateway.toml", {})
    assert changed != config()
    assert tomllib.loads(CONFIGURATION) == tables


def test_every_knob_has_a_variation_here() -> None:
    """The configuration above is bad enough for each row of the table."""
    found = {one.knob for one in variations(config(), Machine(4), every=True)}
    assert found == set(KNOBS)


def test_the_usual_and_the_named() -> None:
    """What clients could notice is changed only when it is asked for."""
    assert 'services.api.balance = "p2c"' in named()
    assert not any("timeouts" in name for name in named())
    assert all("timeouts" in name for name in named("timeouts"))
    assert named("workers", cpus=1) == []
    assert named("workers") == ["gateway.workers = 2", "gateway.workers = 4"]
    with pytest.raises(LoadError, match='did you mean "balance"'):
        named("balence")


def test_what_is_good_already_is_not_tried() -> None:
    """No value twice, and none that is nearly the same."""
    good = CONFIGURATION.replace("max_idle = 1", "max_idle = 64").replace('"round_robin"', '"p2c"')
    assert not any("max_idle = 64" in name for name in named("pool", text=good))
    assert 'services.api.balance = "p2c"' not in named("balance", text=good)


def test_combination() -> None:
    """All changes at once; the same place is never changed twice."""
    first, second = (variations(config(), Machine(4), [knob])[0] for knob in ("balance", "pool"))
    both = combined([first, second])
    applied = both.apply(tomllib.loads(CONFIGURATION))["services"]["api"]
    assert (applied["balance"], applied["max_idle"]) == ("p2c", 64)


def test_trials_listen_on_free_ports_and_refuse_nothing() -> None:
    """Limits are for clients, of which a trial has one; what is left out is said."""
    tables = tomllib.loads(CONFIGURATION)
    tables["log"] = {"access": "/var/log/access"}
    tables["listen"].append({"address": "0.0.0.0:81", "proxy_protocol": True})
    tables["listen"].insert(0, {"address": "0.0.0.0:82", "mode": "tcp", "service": "db"})
    tables["services"]["db"] = {"instances": ["10.0.0.1:1"]}
    before = copy.deepcopy(tables)
    trial, notes = on_free_ports(tables)
    assert tables == before
    assert trial["listen"] == [{"address": "127.0.0.1:0"}]
    assert trial["gateway"] == {"workers": 1, "admin": "127.0.0.1:0"}
    assert trial["log"]["access"] == "off"
    assert not any("limit" in route for route in trial["routes"])
    assert "db" not in trial["services"]
    assert len(notes) == 3


WHERE: list[tuple[KeyPath, Any, str]] = [
    (("services", "api", "balance"), "p2c", '# why\nbalance = "p2c"  # fair'),
    (("gateway", "workers"), 4, "# why\nworkers = 4"),
    (("gateway", "drain_timeout"), "1s", '[gateway]\n# why\ndrain_timeout = "1s"\nworkers = 1'),
    (("services", "other.one", "balance"), "p2c", '[services."other.one"]\n# why\nbalance = "p2c"'),
    (("routes", 0, "retry", "attempts"), 2, "# why\nretry = { attempts = 2 }"),
    (("routes", 1, "retry", "attempts"), 2, '[[routes]]\n# why\nretry.attempts = 2\nservice = "other.one"'),
    (("services", "api", "passive"), {"statuses": [500]}, "# why\npassive = { statuses = [500] }"),
    (
        ("services", "api", "timeouts", "connect"),
        "1s",
        '[services.api]   # ours\n# why\ntimeouts.connect = "1s"',
    ),
    (("routes", 1, "limit", "burst"), 9, '# why\nlimit = { rate = "1/s", burst = 9 }'),
    (("log", "level"), "error", '[log]\n# why\nlevel = "error"\n'),
]


@pytest.mark.parametrize(("path", "value", "line"), WHERE, ids=lambda item: str(item)[:30])
def test_a_value_in_place(path: KeyPath, value: Any, line: str) -> None:
    """The value is there with its comment, and every line of the user is where it was."""
    text = rewritten(CONFIGURATION, [(Change(path, value, None), "why")])
    assert line in text
    wanted = tomllib.loads(CONFIGURATION)
    put(wanted, path, value)
    assert tomllib.loads(text) == wanted
    kept = [one for one in CONFIGURATION.splitlines() if one in text.splitlines()]
    assert len(CONFIGURATION.splitlines()) - len(kept) <= 1


def test_several_values() -> None:
    """Each finds its place although the lines have moved."""
    changes = [(Change(path, value, None), f"number {index}") for index, (path, value, _) in enumerate(WHERE)]
    text = rewritten(CONFIGURATION, changes)
    assert all(f"# number {index}\n" in text for index in range(len(WHERE)))
    assert "# the edge" in text


def test_budgets_of_retries() -> None:
    """What is usual is tried wherever it is not what holds."""
    path = "services.api.retry_budget"
    retrying = CONFIGURATION.replace("attempts = 0", "attempts = 2").replace("passive = false", "{budget}")
    for budget, tried in {
        "": ['share = "10%"', 'share = "40%"'],
        'retry_budget = { share = "100%" }': ['share = "20%"', 'share = "50%"'],
    }.items():
        names = named("budget", text=retrying.replace("{budget}", budget))
        assert [name for name in names if "api" in name] == [f"{path}.{one}" for one in tried]
    without = named("budget", text=retrying.replace("{budget}", "retry_budget = false"))
    assert f'{path} = {{ share = "20%" }}' in without


def test_inside_a_scenario() -> None:
    """There the configuration is a table of the file."""
    text = rewritten(
        '[configuration.services.api]\nbalance = "p2c"\n',
        [(Change(("services", "api", "balance"), "round_robin", "p2c"), "why")],
        ("configuration",),
    )
    assert text == '[configuration.services.api]\n# why\nbalance = "round_robin"\n'


@pytest.mark.parametrize(
    "text",
    [
        "[gateway]\nworkers =\\\n1",
        'services.api.instances = ["a"]\n',
        "services = { api = { passive = [\n1,\n] } }\n",
    ],
)
def test_what_cannot_be_changed_in_place(text: str) -> None:
    """Is refused, and no half of it is written."""
    path: KeyPath = ("services", "api", "passive", "statuses")
    with pytest.raises((RewriteError, tomllib.TOMLDecodeError, TypeError)):
        rewritten(text, [(Change(path, [500], None), "why")])


def test_a_queue_is_tried_where_requests_have_something_to_wait_for() -> None:
    """Whether there is one, and else larger and smaller ones."""
    assert named("queue") == ['services."other.one".queue = { size = 100, timeout = "1s" }']
    queued = CONFIGURATION.replace(
        "max_in_flight = 8 }]", 'max_in_flight = 8 }]\nqueue = { size = 100, timeout = "1s" }'
    )
    path = 'services."other.one".queue'
    assert named("queue", text=queued) == [
        f"{path}.size = 25",
        f"{path}.size = 400",
        f'{path}.timeout = "100ms"',
        f'{path}.timeout = "5s"',
    ]
