"""The weights of a split: what they are when an operator sets some of them at run time. Pure."""

from collections.abc import Mapping

WHOLE = 100
"""What the weights of a split add up to: they are percents."""


def weights_with(written: Mapping[str, int], chosen: Mapping[str, int]) -> dict[str, int]:
    """Every weight, where some are ``chosen`` in place of the ``written``: the others share what is left as they did.

    They get whole percents, the largest remainders first and the earlier of equals; those that had nothing share alike.
    Raises ValueError when nothing that the others could get makes a whole of it.
    """
    others = {side: weight for side, weight in written.items() if side not in chosen}
    left = WHOLE - sum(chosen.values())
    if left < 0 or (left > 0 and not others):
        raise ValueError(f"the weights that are set add up to {WHOLE - left}, expected {WHOLE}")
    parts = others if any(others.values()) else dict.fromkeys(others, 1)
    total = sum(parts.values())
    shares = {side: left * part // total for side, part in parts.items()}
    remainders = sorted(parts, key=lambda side: -(left * parts[side] % total))
    for side in remainders[: left - sum(shares.values())]:
        shares[side] += 1
    return {side: chosen.get(side, shares.get(side, 0)) for side in written}
