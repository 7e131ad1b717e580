"""The weights of a split when some are set at run time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.splits import WHOLE, weights_with

TWO = {"stable": 95, "canary": 5}
THREE = {"a": 50, "b": 30, "c": 20}


@pytest.mark.parametrize(
    ("written", "chosen", "expected"),
    [
        (TWO, {}, TWO),
        (TWO, {"canary": 10}, {"stable": 90, "canary": 10}),
        (TWO, {"canary": 0}, {"stable": 100, "canary": 0}),
        (TWO, {"canary": 100}, {"stable": 0, "canary": 100}),
        (TWO, {"stable": 40, "canary": 60}, {"stable": 40, "canary": 60}),
        (THREE, {"a": 0}, {"a": 0, "b": 60, "c": 40}),
        (THREE, {"c": 21}, {"a": 49, "b": 30, "c": 21}),
        (THREE, {"a": 50, "b": 30}, THREE),
        ({"a": 100, "b": 0, "c": 0}, {"a": 50}, {"a": 50, "b": 25, "c": 25}),
        ({"a": 100, "b": 0, "c": 0}, {"a": 75}, {"a": 75, "b": 13, "c": 12}),
    ],
)
def test_the_others_share_what_is_left(
    written: dict[str, int], chosen: dict[str, int], expected: dict[str, int]
) -> None:
    """In proportion, in whole percents, in the order of the file."""
    assert weights_with(written, chosen) == expected
    assert list(weights_with(written, chosen)) == list(written)


@pytest.mark.parametrize(
    ("chosen", "total"),
    [({"stable": 60, "canary": 50}, 110), ({"stable": 40, "canary": 50}, 90), ({"stable": 101}, 101)],
)
def test_what_makes_no_whole_is_refused(chosen: dict[str, int], total: int) -> None:
    """The error says what it adds up to."""
    with pytest.raises(ValueError, match=f"add up to {total}, expected 100"):
        weights_with(TWO, chosen)


@given(
    parts=st.lists(st.integers(0, 100), min_size=2, max_size=6).filter(any),
    chosen=st.dictionaries(st.integers(0, 4), st.integers(0, 20), max_size=4),
)
def test_whatever_is_set_the_whole_is_whole(parts: list[int], chosen: dict[int, int]) -> None:
    """What is set is kept to the letter, and nobody is below nothing."""
    written = weights_with({f"s{index}": part for index, part in enumerate(parts)}, {})
    picked = {f"s{index}": weight for index, weight in chosen.items() if index < len(parts) - 1}
    weights = weights_with(written, picked)
    assert sum(weights.values()) == WHOLE
    assert min(weights.values()) >= 0
    assert {side: weights[side] for side in picked} == picked
