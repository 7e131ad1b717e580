"""Overrides: what an operator may put in place of the file's values, and what that makes of a configuration."""

from typing import Any

import pytest

from gateway.config.load import parse
from gateway.config.overrides import (
    MAX_SETTINGS,
    Adjustment,
    Contradiction,
    Path,
    contradictions,
    overridden,
    patched,
    read,
    without_place,
)
from gateway.config.schema import Config
from gateway.errors import ConfigErrors
from gateway.model import InstanceAddress

A = InstanceAddress.parse("10.0.0.1:80")
ROUTE = ("routes", "all", "limit")
INSTANCE = ("services", "api", "instances", str(A))


CLUSTER = '[cluster]\nredis = "127.0.0.1:6379"'


def routed(line: str, more: str = "") -> Config:
    """One route that says this."""
    return parse(
        f"""
        {more}
        [[listen]]
        address = "127.0.0.1:80"
        [services.api]
        instances = ["{A}"]
        [[routes]]
        service = "api"
        name = "all"
        {line}
        """,
        "test",
        {},
    )


def configuration(limits: str = '{ rate = "10/s" }', more: str = "") -> Config:
    """One route with these limits."""
    return routed(f"limit = {limits}", more)


def nested(path: Path, value: object) -> dict[str, Any]:
    """The patch of a single value."""
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def mistakes(path: Path, value: object) -> list[str]:
    """What is said of a single value."""
    with pytest.raises(ConfigErrors) as caught:
        read(patched({}, nested(path, value)))
    return [mistake.headline() for mistake in caught.value.mistakes]


def test_a_patch_adds_changes_and_removes() -> None:
    """As RFC 7396 has it: null removes a value, or everything below a key; what is not named stays."""
    first = patched({}, {"routes": {"all": {"limit": {"rate": "1/s", "burst": 3}}}})
    assert first == {(*ROUTE, "rate"): "1/s", (*ROUTE, "burst"): 3}
    second = patched(first, nested((*ROUTE, "rate"), None))
    assert second == {(*ROUTE, "burst"): 3}
    assert patched(second, {"routes": None}) == {}
    assert patched(second, {"services": None}) == second
    assert first == {(*ROUTE, "rate"): "1/s", (*ROUTE, "burst"): 3}, "it was changed in place"


@pytest.mark.parametrize("patch", [1, "a", None, [], [{}]])
def test_a_patch_is_an_object(patch: object) -> None:
    """Anything else would replace everything."""
    with pytest.raises(ConfigErrors):
        patched({}, patch)


def test_there_is_an_end_to_them() -> None:
    """The file is for more; what is removed makes room."""
    full = patched({}, {"routes": {str(number): {"limit": {"burst": 1}} for number in range(MAX_SETTINGS)}})
    with pytest.raises(ConfigErrors, match="at most"):
        patched(full, nested((*ROUTE, "burst"), 1))
    patched(full, {"routes": {"all": {"limit": {"burst": 1}}, "0": None}})


def test_a_deep_patch_is_a_mistake_and_no_recursion() -> None:
    """However deep, it is refused at the depth that a path can have."""
    deep = nested(("a",) * 900, 1)
    with pytest.raises(ConfigErrors):
        read(patched({}, deep))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*ROUTE, "rate"), "10", "a rate with its unit"),
        ((*ROUTE, "rate"), 10, "a rate"),
        ((*ROUTE, "rate"), "0/s", "a rate"),
        ((*ROUTE, "burst"), 0, "a whole number from 1"),
        ((*ROUTE, "burst"), True, "a whole number from 1"),
        ((*ROUTE, "other", "burst"), [1], "a whole number from 1"),
        ((*ROUTE, "rat"), "1/s", 'did you mean "rate"?'),
        ((*ROUTE, "a", "b", "rate"), "1/s", "routes.NAME.limit.rate"),
        (("routes",), 1, "routes.NAME.limit.rate"),
        (("gateway", "workers"), 1, "routes.NAME.limit.rate"),
        ((*INSTANCE, "weight"), -1, "a whole number from 0"),
        ((*INSTANCE, "weight"), "1", "a whole number from 0"),
        ((*INSTANCE, "state"), "disable", 'did you mean "disabled"?'),
        ((*INSTANCE, "state"), 1, '"enabled" or "disabled"'),
        ((*INSTANCE, "address"), "10.0.0.1:80", "services.NAME.instances.ADDRESS.weight"),
        (("services", "api", "instances", "nowhere", "weight"), 1, "the port is missing"),
    ],
)
def test_wrong_values_and_places(path: Path, value: object, message: str) -> None:
    """Each is named with its path and with what was expected."""
    (mistake,) = mistakes(path, value)
    assert mistake.startswith(path[0])
    assert message in mistake


def test_all_mistakes_at_once() -> None:
    """As of a file."""
    settings = {(*ROUTE, "rate"): 1, (*INSTANCE, "weight"): 1, (*INSTANCE, "state"): 1}
    with pytest.raises(ConfigErrors) as caught:
        read(settings)
    assert len(caught.value.mistakes) == 2


def test_a_burst_that_nobody_wrote_follows_its_rate() -> None:
    """One that the file has stays, until it is overridden as well."""
    rate = read({(*ROUTE, "rate"): "50/s"})
    assert overridden(configuration(), rate).routes[0].limit[0].burst == 50
    written = overridden(configuration('{ rate = "10/s", burst = 3 }'), rate)
    assert (written.routes[0].limit[0].rate.tokens, written.routes[0].limit[0].burst) == (50, 3)
    both = overridden(configuration(), read({(*ROUTE, "rate"): "50/s", (*ROUTE, "burst"): 7}))
    assert both.routes[0].limit[0].burst == 7


YEAR = "expected a burst that comes back within a year at this rate"
COST = "cost: more than the burst: no request could ever pass"


@pytest.mark.parametrize(
    ("limits", "settings", "setting", "reason"),
    [
        ('{ rate = "1/h" }', {(*ROUTE, "burst"): 8761}, "burst", YEAR),
        ('{ rate = "1/h" }', {(*ROUTE, "burst"): 8760}, None, None),
        ('{ rate = "1/s", burst = 8761 }', {(*ROUTE, "rate"): "1/h"}, "rate", YEAR),
        ('{ rate = "1/s", burst = 8761 }', {(*ROUTE, "rate"): "1/h", (*ROUTE, "burst"): 1}, None, None),
        ('{ rate = "9/s", cost = 5 }', {(*ROUTE, "burst"): 4}, "burst", COST),
        ('{ rate = "9/s", cost = 5 }', {(*ROUTE, "rate"): "4/s"}, "rate", COST),
        ('{ rate = "9/s", cost = 5 }', {(*ROUTE, "rate"): "5/s"}, None, None),
    ],
)
def test_what_a_file_could_not_say(
    limits: str, settings: dict[Path, object], setting: str | None, reason: str | None
) -> None:
    """A value that is sound by itself may break a rule with those of the file beside it; blamed is the setting."""
    found = list(contradictions(configuration(limits), read(settings)))
    if setting is None or reason is None:
        assert found == []
    else:
        assert found == [Contradiction((*ROUTE, setting), ("routes", 0, "limit", 0), reason)]


def test_a_named_limit_is_blamed_by_its_name() -> None:
    """And in its own place; the others are as the file has them."""
    two = configuration('[{ name = "a", rate = "1/h" }, { name = "b", rate = "1/h" }]')
    setting = (*ROUTE, "b", "burst")
    assert list(contradictions(two, read({setting: 9000}))) == [
        Contradiction(setting, ("routes", 0, "limit", 1), YEAR)
    ]


def test_one_of_several_limits_has_a_name() -> None:
    """Without the name it is no longer clear which is meant."""
    two = configuration('[{ name = "a", rate = "1/s" }, { name = "b", rate = "2/s" }]')
    named = read({(*ROUTE, "b", "rate"): "9/s"})
    assert [limit.rate.tokens for limit in overridden(two, named).routes[0].limit] == [1, 9]
    assert list(without_place(two, named)) == []
    unnamed = read({(*ROUTE, "rate"): "9/s"})
    assert overridden(two, unnamed) == two
    ((_, reason),) = without_place(two, unnamed)
    assert reason == "the route has 2 limits: name one of a, b"


def test_what_has_no_place() -> None:
    """Each with the reason; the configuration stays as it is."""
    config = configuration()
    settings = {
        ("routes", "other", "limit", "rate"): "1/s",
        (*ROUTE, "defalt", "rate"): "1/s",
        ("services", "ap", "instances", str(A), "weight"): 1,
        (*INSTANCE, "weight"): 1,
    }
    overrides = read(settings)
    assert [reason for _, reason in without_place(config, overrides)] == [
        "no route of this name",
        'the route has no limit of this name; did you mean "default"?',
        'no service of this name; did you mean "api"?',
    ]
    assert overridden(config, overrides) == config


def test_a_limit_of_several_gateways_is_the_files_alone() -> None:
    """Its bucket would go by several rates at once. With a name or without; the limit beside it can be set."""
    shared = 'rate = "1/s", scope = "cluster"'
    config = configuration(f'[{{ name = "a", {shared} }}, {{ name = "b", rate = "1/s" }}]', CLUSTER)
    overrides = read({(*ROUTE, "a", "rate"): "9/s", (*ROUTE, "a", "burst"): 7, (*ROUTE, "b", "rate"): "9/s"})
    assert dict(without_place(config, overrides)) == {
        (
            *ROUTE,
            "a",
            key,
        ): 'all gateways count by the same rate and burst with scope = "cluster": change the file of each'
        for key in ("rate", "burst")
    }
    assert [limit.rate.tokens for limit in overridden(config, overrides).routes[0].limit] == [1, 9]
    only = configuration(f"{{ {shared} }}", CLUSTER)
    unnamed = read({(*ROUTE, "burst"): 10**9})
    assert [path for path, _ in without_place(only, unnamed)] == [(*ROUTE, "burst")]
    assert overridden(only, unnamed) == only
    assert list(contradictions(only, unnamed)) == []


def test_instances_are_read_by_their_addresses() -> None:
    """Weight and state together; enabled is what every instance is."""
    overrides = read({(*INSTANCE, "weight"): 0, (*INSTANCE, "state"): "disabled"})
    assert overrides.instances == {"api": {A: Adjustment(weight=0, disabled=True)}}
    assert read({(*INSTANCE, "state"): "enabled"}).instances == {"api": {A: Adjustment()}}


SPLIT = ("routes", "all", "split")


def splitting(*weights: int) -> Config:
    """One route that splits its requests among so many services: ``s0``, ``s1`` and so on."""
    services = "".join(f'[services.s{index}]\ninstances = ["{A}"]\n' for index in range(len(weights)))
    sides = ", ".join(
        f'{{ service = "s{index}", weight = {weight} }}' for index, weight in enumerate(weights)
    )
    text = f'[[listen]]\naddress = "127.0.0.1:80"\n{services}[[routes]]\nname = "all"\nsplit = [{sides}]\n'
    return parse(text, "test", {})


def weights(config: Config) -> list[int]:
    """Those of the route's split."""
    return [side.weight for side in config.routes[0].split]


def test_a_weight_is_set_and_the_others_share_what_is_left() -> None:
    """Whether one of them is set or several."""
    assert weights(overridden(splitting(95, 5), read({(*SPLIT, "s1"): 10}))) == [90, 10]
    assert weights(overridden(splitting(50, 30, 20), read({(*SPLIT, "s0"): 0}))) == [0, 60, 40]
    both = read({(*SPLIT, "s0"): 40, (*SPLIT, "s1"): 60})
    assert weights(overridden(splitting(95, 5), both)) == [40, 60]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"s0": 40, "s1": 50}, "the weights that are set add up to 90, expected 100"),
        ({"s0": 60, "s1": 50}, "the weights that are set add up to 110, expected 100"),
        ({"s2": 50}, "the split has no service of this name"),
    ],
)
def test_weights_that_make_no_whole_have_no_effect(settings: dict[str, int], reason: str) -> None:
    """Each is named with the reason, and the file's weights stay."""
    overrides = read({(*SPLIT, side): weight for side, weight in settings.items()})
    config = splitting(95, 5)
    assert weights(overridden(config, overrides)) == [95, 5]
    places = dict(without_place(config, overrides))
    assert places.keys() == overrides.settings.keys()
    assert all(reason in why for why in places.values())


def test_a_route_without_a_split_has_no_weights() -> None:
    """It is named as such."""
    (found,) = without_place(configuration(), read({(*SPLIT, "api"): 10}))
    assert found == ((*SPLIT, "api"), "the route has no split")


@pytest.mark.parametrize("value", [101, -1, "10", True, None])
def test_a_weight_is_a_percentage(value: object) -> None:
    """As in a file."""
    if value is None:
        assert patched({(*SPLIT, "s0"): 1}, nested((*SPLIT, "s0"), value)) == {}
    else:
        assert "a whole number from 0 to 100" in mistakes((*SPLIT, "s0"), value)[0]


@pytest.mark.parametrize("kind", ["routes", "services"])
def test_maintenance_is_switched_and_the_rest_of_it_stays(kind: str) -> None:
    """Of a route or a service; a name that is gone has no place, and nothing else is changed."""
    prepared = 'maintenance = { on = false, retry_after = "9s" }'
    config = parse(
        f"""
        [[listen]]
        address = "127.0.0.1:80"
        [services.all]
        instances = ["{A}"]
        {prepared if kind == "services" else ""}
        [[routes]]
        service = "all"
        name = "all"
        {prepared if kind == "routes" else ""}
        """,
        "test",
        {},
    )

    def switched(word: object) -> list[tuple[bool, str] | None]:
        owners = overridden(config, read({(kind, "all", "maintenance"): word}))
        both = (owners.routes[0].maintenance, owners.services["all"].maintenance)
        return [(it.on, str(it.retry_after)) if it is not None else None for it in both]

    index = ("routes", "services").index(kind)
    for word, on in (("on", True), (True, True), ("off", False), (False, False)):
        assert switched(word)[index] == (on, "9s"), word
        assert switched(word)[1 - index] is None
    gone = read({(kind, "gone", "maintenance"): "on"})
    assert [path for path, _ in without_place(config, gone)] == [(kind, "gone", "maintenance")]
    assert overridden(config, gone) == config
    assert not gone.configure_as(read({(kind, "gone", "maintenance"): "off"}))


@pytest.mark.parametrize("value", ["yes", 1, "", {"on": True}])
def test_maintenance_is_on_or_off(value: object) -> None:
    """And nothing else."""
    assert mistakes(("routes", "all", "maintenance"), value)


FAULT = ("routes", "all", "fault")


def shares(config: Config) -> tuple[int, int]:
    """Of the route's faults: answers and delays, in percent."""
    fault = config.routes[0].fault
    assert fault is not None
    return fault.abort_percent, fault.delay_percent


def test_shares_of_faults_are_set_and_the_rest_stays() -> None:
    """Each by itself; what is prepared with 0 hits nobody before."""
    config = routed('fault = { abort = 503, abort_percent = 0, delay = "1s", delay_percent = 7 }')
    assert shares(overridden(config, read({(*FAULT, "abort_percent"): 5}))) == (5, 7)
    both = overridden(config, read({(*FAULT, "abort_percent"): 100, (*FAULT, "delay_percent"): 0}))
    assert shares(both) == (100, 0)
    assert both.routes[0].fault is not None
    assert (both.routes[0].fault.abort, str(both.routes[0].fault.delay)) == (503, "1s")
    assert list(without_place(config, read({(*FAULT, "abort_percent"): 5}))) == []
    assert not read({(*FAULT, "abort_percent"): 5}).configure_as(read({(*FAULT, "abort_percent"): 6}))


@pytest.mark.parametrize(
    ("fault", "key", "reason"),
    [
        ("", "abort_percent", "the route has no fault.abort"),
        ('fault = { delay = "1s" }', "abort_percent", "the route has no fault.abort"),
        ("fault = { abort = 503 }", "delay_percent", "the route has no fault.delay"),
    ],
)
def test_what_a_route_does_not_inject_has_no_share(fault: str, key: str, reason: str) -> None:
    """What is injected is the file's alone; the setting is named with the reason, and nothing is injected by it."""
    config = routed(fault)
    overrides = read({(*FAULT, key): 50})
    assert list(without_place(config, overrides)) == [((*FAULT, key), reason)]
    before, after = (it.routes[0].fault for it in (config, overridden(config, overrides)))
    assert (before is None, after is None) in ((True, True), (False, False))
    assert before is None or after is None or before.hits == after.hits


@pytest.mark.parametrize("value", [101, -1, "10", True])
def test_a_share_is_a_percentage(value: object) -> None:
    """As in a file; and there is nothing else of a fault to be set."""
    assert "a whole number from 0 to 100" in mistakes((*FAULT, "delay_percent"), value)[0]
    assert "routes.NAME.fault.abort_percent" in mistakes((*FAULT, "abort"), 503)[0]
