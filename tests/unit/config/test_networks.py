"""Networks as a configuration names them, and which of them others contain."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.networks import contained, read_network
from gateway.errors import InvalidValueError


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::/8", "fd00::/8"),
        ("2001:DB8:0::1", "2001:db8::1/128"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read(text: str, network: str) -> None:
    """In prefix notation, or a single address."""
    assert read_network(text) == ip_network(network)


@given(
    st.one_of(
        st.ip_addresses().map(str),
        st.tuples(st.ip_addresses(), st.integers(-1, 130)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        st.text("0123456789abcdef:./%", max_size=20),
    )
)
def test_what_is_read_means_the_same_to_the_standard_library(text: str) -> None:
    """A text is refused with an error of ours, or is the network that the library sees in it."""
    try:
        network = read_network(text)
    except InvalidValueError:
        return
    assert network == ip_network(text)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 15), st.integers(0, 4)).map(
            lambda item: read_network(
                f"::{item[1] >> 4 - item[2] << 4 - item[2]:x}/{124 + item[2]}"
                if item[0]
                else f"10.0.0.{item[1] >> 4 - item[2] << 4 - item[2]}/{28 + item[2]}"
            )
        ),
        max_size=12,
    )
)
def test_contained_networks_are_those_that_a_look_at_every_pair_finds(networks: list[ip_network]) -> None:  # type: ignore[valid-type]
    """Each is named once, with one that really contains it and is not named itself."""
    found = dict(contained(networks))
    slow = {
        index
        for index, inner in enumerate(networks)
        for other, outer in enumerate(networks)
        if inner.version == outer.version and inner.subnet_of(outer) and (inner != outer or other < index)
    }
    assert found.keys() == slow
    for inner, outer in found.items():
        assert networks[inner].subnet_of(networks[outer])
        assert outer not in found
