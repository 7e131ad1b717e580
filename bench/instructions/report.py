"""The tables of a count, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence

from bench.instructions.callgrind import Profile

_SHOWN = 0.001
"""Share of a request from which on an object file has a column of its own."""


def by_object(profiles: Mapping[str, Profile]) -> str:
    """Instructions per request, a row for each case, a column for each program and library."""
    objects = _worth_a_column(profiles.values())
    rows = [
        [name, _number(profile.total), *(_number(profile.by_object().get(one, 0)) for one in objects)]
        for name, profile in profiles.items()
    ]
    return table(["instructions per request", "all", *objects], rows)


def by_function(profile: Profile, most: int) -> str:
    """The dearest functions of a request."""
    rows = [
        [function, name, _number(cost), f"{cost / profile.total:.1%}"]
        for name, function, cost in profile.functions(most)
    ]
    return table(["function", "in", "instructions", "share"], rows, words=2)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A table whose first columns hold words and the others numbers."""
    rule = [*["---"] * words, *["---:"] * (len(header) - words)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def _worth_a_column(profiles: Iterable[Profile]) -> list[str]:
    costs: dict[str, float] = {}
    for profile in profiles:
        for name, cost in profile.by_object().items():
            if cost > _SHOWN * profile.total:
                costs[name] = costs.get(name, 0) + cost
    return sorted(costs, key=lambda name: -costs[name])


def _number(cost: float) -> str:
    return f"{cost:,.0f}"
