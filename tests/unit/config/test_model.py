"""Addresses, and the numbers that shared memory and Python must agree on."""

import string
from collections.abc import Callable
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidValueError
from gateway.model import (
    HEALTH_DISABLED_BIT,
    AddressKind,
    Health,
    InstanceAddress,
    ListenAddress,
    is_dns_name,
)

LETTERS_DIGITS = set(string.ascii_letters + string.digits)
PRINTABLE = {chr(code) for code in range(256) if chr(code).isprintable()}


@given(st.ip_addresses(v=4), st.integers(0, 65535))
def test_ipv4_addresses_read_what_they_write(ip: object, port: int) -> None:
    """An IPv4 address and port survive reading and writing."""
    text = f"{ip}:{port}"
    address = ListenAddress.parse(text)
    assert (address.kind, address.host, address.port, str(address)) == (AddressKind.IP, str(ip), port, text)


@given(st.ip_addresses(v=6), st.integers(1, 65535))
def test_ipv6_addresses_have_one_form(ip: IPv6Address, port: int) -> None:
    """However an IPv6 address is written, it is the same address."""
    short, long = f"[{ip.compressed}]:{port}", f"[{ip.exploded.upper()}]:{port}"
    for parse in (ListenAddress.parse, InstanceAddress.parse):
        assert parse(long) == parse(short)
        assert str(parse(long)) == short


@given(st.text(string.ascii_letters + string.digits + "-_.:[]/*%@ é\0", max_size=20))
def test_whatever_is_accepted_is_written_in_a_form_that_is_accepted(text: str) -> None:
    """Reading is a projection: an accepted address, written and read again, is the same; others raise one error."""
    for parse in (ListenAddress.parse, InstanceAddress.parse):
        try:
            address = parse(text)
        except InvalidValueError:
            continue
        assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("api.internal:80", AddressKind.NAME),
        ("API.Internal.:80", AddressKind.NAME),
        ("my_service:80", AddressKind.NAME),
        ("xn--bcher-kva.example:443", AddressKind.NAME),
        ("10.0.0.1:1", AddressKind.IP),
        ("[::1]:65535", AddressKind.IP),
        ("unix:/run/a b.sock", AddressKind.UNIX),
        ("unix:/" + "a" * 106, AddressKind.UNIX),
    ],
)
def test_instance_addresses(text: str, kind: AddressKind) -> None:
    """Names stay names, in lower case, for somebody else to resolve."""
    address = InstanceAddress.parse(text)
    assert address.kind is kind
    assert str(address) == (text.lower() if kind is AddressKind.NAME else text)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":80", "*:80", "a", "a:", "a:0", "a:65536", "a:080", "a:+1", "a:8o", "a:٨٠", "a:" + "9" * 5000, "a b:80",
     "a..b:80", ".a:80", "-a:80", "a-:80", "a" * 64 + ":80", "a." * 127 + "aa:80", "1.2.3:80", "1.2.3.256:80", "01.2.3.4:80",
     "1.2.3.4.5:80", "::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "[1.2.3.4]:80", "[fe80::1%eth0]:80", "[a]:80",
     "http://a:80", "a:80/path", "u@a:80", "é:80", "\N{KELVIN SIGN}:80", "unix:", "unix:a", "unix:/", "unix:/a/",
     "unix:/a\0", "unix:/a\n", "unix:/" + "a" * 107, "unix:/" + "é" * 54, "unix:/\udc80"],
)  # fmt: skip
def test_what_is_no_address_of_an_instance(text: str) -> None:
    """What nobody can connect to is refused."""
    with pytest.raises(InvalidValueError):
        InstanceAddress.parse(text)


@pytest.mark.parametrize(
    "text", ["localhost:80", "a.example:80", "fd:2", "fd:-3", "fd:03", "fd:", "fd:3 ", "fd:1048576"]
)
def test_what_is_no_address_to_listen_on(text: str) -> None:
    """A listener needs an address of this machine or a descriptor that is no standard stream."""
    with pytest.raises(InvalidValueError):
        ListenAddress.parse(text)


def test_listeners_on_inherited_descriptors_and_any_port() -> None:
    """``fd:N`` names a descriptor, and port 0 is allowed for listeners only."""
    assert ListenAddress.parse("fd:3") == ListenAddress(AddressKind.FD, fd=3)
    assert ListenAddress.parse("127.0.0.1:0").port == 0
    with pytest.raises(InvalidValueError):
        InstanceAddress.parse("127.0.0.1:0")


@pytest.mark.parametrize(
    ("parse", "form", "accepted"),
    [
        (InstanceAddress.parse, "a{}b:80", LETTERS_DIGITS | set("-_.")),
        (InstanceAddress.parse, "{}b:80", LETTERS_DIGITS | {"_"}),
        (InstanceAddress.parse, "b{}:80", LETTERS_DIGITS | {"_", "."}),
        (InstanceAddress.parse, "a:1{}", set(string.digits)),
        (InstanceAddress.parse, "a:{}1", set(string.digits) - {"0"}),
        (InstanceAddress.parse, "[::{}1]:80", set(string.hexdigits)),
        (InstanceAddress.parse, "unix:/a{}b", PRINTABLE),
        (ListenAddress.parse, "127.0.0.{}:80", set(string.digits)),
        (ListenAddress.parse, "fd:1{}", set(string.digits)),
    ],
)
def test_every_character_in_every_place(
    parse: Callable[[str], object], form: str, accepted: set[str]
) -> None:
    """Of all 256 byte values exactly the expected ones are accepted."""
    seen = set()
    for char in map(chr, range(256)):
        try:
            parse(form.format(char))
        except InvalidValueError:
            continue
        seen.add(char)
    assert seen == accepted


@pytest.mark.parametrize("name", ["a", "a.b", "0a", "1.a", "a" * 63, "a_b"])
def test_names(name: str) -> None:
    """Labels of letters, digits, hyphens and underscores make a name."""
    assert is_dns_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "A", "-a", "a-", "1", "a.1", "1.2.3.4", "a" * 64, "a*"]
)
def test_what_is_no_name(name: str) -> None:
    """An empty label, a final dot, capitals and a numeric last label are no lower-case name."""
    assert not is_dns_name(name)


def test_health_is_what_shared_memory_says() -> None:
    """The numbers of the health word are the same on both sides; where they differ, gateway.model must follow."""
    native = pytest.importorskip("gateway._native")
    for health in Health:
        assert getattr(native, f"HEALTH_{health.name}") == health
    assert native.HEALTH_DISABLED == HEALTH_DISABLED_BIT
