"""What a new configuration changes, compared with what generated configurations were made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.diff import Changes, Difference, diff, difference, fixed_settings
from gateway.config.load import parse
from gateway.config.schema import Config

Parts = dict[str, int]
PARTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 3), min_size=1)


def _config(listeners: Parts, services: Parts, routes: Parts, gateway: str = "") -> Config:
    """A configuration whose parts have these names, and one setting each to tell their versions apart."""
    lines = [f"[gateway]\n{gateway}"]
    for name, version in listeners.items():
        lines.append(f'[[listen]]\naddress = "unix:/{name}"\nmax.requests = {version}')
    for name, version in services.items():
        lines.append(f'[services.{name}]\ninstances = ["10.0.0.1:80"]\nmax_idle = {version}')
        lines.append(f'[[routes]]\nname = "to {name}"\npath = "/services/{name}"\nservice = "{name}"')
    for name, version in routes.items():
        service = next(iter(services))
        lines.append(
            f'[[routes]]\nname = "{name}"\npath = "/{name}"\nservice = "{service}"\nretry.attempts = {version}'
        )
    return parse("\n".join(lines), "test", {})


@given(PARTS, PARTS)
def test_a_difference_leads_from_one_set_to_the_other(before: Parts, after: Parts) -> None:
    """Taking away, changing and adding what it says gives the new set; nothing is named that is the same."""
    found = difference(before, after)
    made = {name: version for name, version in before.items() if name not in found.removed}
    made |= {name: after[name] for name in (*found.changed, *found.added)}
    assert made == after
    assert set(found.added).isdisjoint(before)
    assert set(found.removed) <= before.keys() - after.keys()
    assert all(before[name] != after[name] for name in found.changed)


@given(PARTS, PARTS)
def test_the_way_back_is_the_difference_reversed(before: Parts, after: Parts) -> None:
    """What one way adds the other removes, and both change the same."""
    there, back = difference(before, after), difference(after, before)
    assert (set(there.added), set(there.removed)) == (set(back.removed), set(back.added))
    assert set(there.changed) == set(back.changed)


@given(st.tuples(PARTS, PARTS, PARTS), st.tuples(PARTS, PARTS, PARTS))
def test_configurations_differ_where_their_parts_do(
    before: tuple[Parts, Parts, Parts], after: tuple[Parts, Parts, Parts]
) -> None:
    """Listeners by address, services and routes by name; a configuration does not differ from itself."""
    changes = diff(_config(*before), _config(*after))
    assert changes.services == difference(before[1], after[1])
    addresses = [
        {f"unix:/{name}": version for name, version in parts[0].items()} for parts in (before, after)
    ]
    assert changes.listeners == difference(*addresses)
    own = [name for name in changes.routes.added if not name.startswith("to ")]
    assert own == [name for name in after[2] if name not in before[2]]
    assert list(diff(_config(*before), _config(*before))) == []


def test_changes_are_listed_in_words() -> None:
    """One line each: what kind, which one, what happened; settings by their path."""
    changes = Changes(
        listeners=Difference(added=("127.0.0.1:80",)),
        services=Difference(removed=("api",)),
        routes=Difference(changed=("all",)),
        settings=("log.level",),
    )
    assert list(changes) == [
        "listener 127.0.0.1:80 added",
        "service api removed",
        "route all changed",
        "log.level changed",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [("admin", '"127.0.0.1:1"'), ("max_instances", "7"), ("max_limit_keys", "7")],
)
def test_what_is_for_life(key: str, value: str) -> None:
    """A setting that is made for a whole life is named with what it is; the others may change."""
    parts: tuple[Parts, Parts, Parts] = ({"a": 1}, {"a": 1}, {"a": 1})
    before, after = _config(*parts), _config(*parts, gateway=f"{key} = {value}\nworkers = 9")
    (finding,) = fixed_settings(before, after)
    assert finding.path == ("gateway", key)
    assert "until a restart" in finding.message
    assert diff(before, after).settings == ("gateway.workers", f"gateway.{key}")
    assert list(fixed_settings(after, after)) == []
