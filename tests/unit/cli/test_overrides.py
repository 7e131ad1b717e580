"""The keys and values of ``headgate set`` and ``headgate unset``, against a gateway that only listens."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from gateway.cli.admin import Admin, Answer
from gateway.cli.overrides import set_, unset


@pytest.fixture
def patches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the gateway was sent; it agrees to everything."""
    sent: list[Any] = []

    def patch(_: Admin, path: str, patch: object, *, agent: str, timeout_s: float) -> Answer:
        assert (path, timeout_s > 0) == ("/v1/overrides", True)
        assert agent.startswith("headgate ")
        sent.append(patch)
        return Answer(200, {"applied": True, "changes": ["done"]})

    monkeypatch.setattr(Admin, "patch", patch)
    return sent


def run(command: click.Command, *arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(command, [*arguments, "--admin", "127.0.0.1:1"])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("key", "value", "patch"),
    [
        ("routes.a.limit.rate", "5/s", {"routes": {"a": {"limit": {"rate": "5/s"}}}}),
        ("routes.a.limit.burst", "5", {"routes": {"a": {"limit": {"burst": 5}}}}),
        ('services.api.instances."[::1]:80".weight', "0", {"services": {"api": {"instances": {"[::1]:80": {"weight": 0}}}}}),
        ("routes.'GET a/*'.limit.rate", "x", {"routes": {"GET a/*": {"limit": {"rate": "x"}}}}),
    ],
)  # fmt: skip
def test_keys_are_those_of_toml(patches: list[Any], key: str, value: str, patch: object) -> None:
    """A whole number is a number; the gateway judges the rest."""
    assert run(set_, key, value) == (0, "done\n")
    assert patches == [patch]


def test_unset_is_null(patches: list[Any]) -> None:
    """A key may stand for all that begins with it."""
    assert run(unset, "routes.a")[0] == 0
    assert patches == [{"routes": {"a": None}}]


@pytest.mark.parametrize("key", ["", "a b", "a = 1 #", "a = 1\nb", "a.", "[", "a.b = {c = 1} #"])
def test_what_is_no_key(patches: list[Any], key: str) -> None:
    """Nothing is sent, and what a key is like is said."""
    code, output = run(set_, key, "1")
    assert (code, patches) == (2, [])
    assert "routes.NAME.limit.rate" in output
