"""Which writing requests the admin API lets in."""

import pytest

from gateway.supervisor.admin.guard import is_address, objection

HOSTS = ["127.0.0.1", "127.0.0.1:9901", "[::1]", "[::1]:9901", "localhost", "LocalHost:80", "10.0.0.1:9901"]
NO_HOSTS = [
    "", ":", ":80", "a", "localhost.evil.example", "evil.example:9901", "127.0.0.1.evil.example", "127.0.0.1:",
    "127.0.0.1:x", "127.1", "0x7f.0.0.1", "2130706433", "::1", "::1:80", "[127.0.0.1]", "[::1", "[localhost]",
    "127.0.0.1:80:80", "user@127.0.0.1", "127.0.0.1:\u0663",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_addresses_may_write(host: str) -> None:
    """An address, or the one name that nobody can rebind."""
    assert is_address(host)
    assert objection(host, None, None, b"") is None
    assert objection(host, f"http://{host}", "application/json; charset=utf-8", b"{}") is None


@pytest.mark.parametrize("host", NO_HOSTS)
def test_names_may_not(host: str) -> None:
    """Any other name could be a page's own, led to this machine."""
    assert not is_address(host)
    against = objection(host, None, None, b"")
    assert against is not None
    assert against.status == 421


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_beside_an_address(byte: int) -> None:
    """No byte before or behind an address makes another host of it, save digits that make another address."""
    char = chr(byte)
    assert is_address(f"127.0.0.1{char}") == (char.isascii() and char.isdigit())
    assert is_address(f"{char}27.0.0.1") == (char in "12")


@pytest.mark.parametrize(
    "origin", ["null", "", "https://127.0.0.1:1", "http://127.0.0.1:2", "http://evil.example"]
)
def test_pages_may_not_write(origin: str) -> None:
    """A browser names the origin of the page; only the admin's own pages have the right one."""
    against = objection("127.0.0.1:1", origin, None, b"")
    assert against is not None
    assert against.status == 403


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/jsonx", "multipart/form-data; boundary=a"]
)
def test_other_bodies_are_refused(kind: str | None) -> None:
    """Whatever a page may send without being asked is not taken."""
    against = objection("127.0.0.1:1", None, kind, b"{}")
    assert against is not None
    assert against.status == 415
