"""Markdown tables of a workload's section of the document."""

from collections.abc import Mapping, Sequence
from typing import Any

Section = Mapping[str, Any]


def label(entry: Mapping[str, Any]) -> str:
    """How a contender is called: its gateway, and its setup where there are several."""
    return f"{entry['gateway']}, {entry['setup']}" if entry["setup"] else str(entry["gateway"])


def figures_table(section: Section) -> str:
    """Medians of everything measured, quartiles of what is compared."""
    figures = [figure for figure in section["figures"] if figure["shown"] and _is_present(section, figure)]
    rows = [
        [label(summary), *(_figure(summary, figure) for figure in figures)]
        for summary in section["summaries"]
    ]
    return _table(["gateway", *(figure["title"] for figure in figures)], rows)


def ratios_table(section: Section) -> str:
    """What every contender costs in units of the references, and of its own first setup; empty without any."""
    columns = _ratio_columns(section)
    rows = [
        [label(summary), *(_spread(_ratio(summary, *column), 3) for column in columns)]
        for summary in section["summaries"]
    ]
    if not columns:
        return ""
    several = len({figure for figure, _ in columns}) > 1
    titles = [f"{figure} to {reference}" if several else f"to {reference}" for figure, reference in columns]
    return _table(["ratio", *titles], rows)


def changes_table(section: Section) -> str:
    """What a setup costs against the first one of the same gateway; empty where there is but one."""
    figures = {figure["key"]: figure for figure in section["figures"]}
    rows = [
        [
            label(summary),
            _spread(change["ratio"], 3),
            _spread(change["difference"], figures[key]["decimals"], sign="+"),
        ]
        for summary in section["summaries"]
        for key, change in summary["changes"].items()
    ]
    first = section["summaries"][0]["setup"] if section["summaries"] else ""
    return _table(["change", f"ratio to {first}", f"more than {first}, µs/request"], rows) if rows else ""


def remarks(section: Section) -> list[str]:
    """Sentences that belong below the tables: notes, warnings, failures, and who could not take part."""
    return [
        *([_sentence(section["note"])] if section["note"] else []),
        *(f"{gateway} takes no part: {reason}." for gateway, reason in section["unfit"].items()),
        *(f"WARNING {warning}." for warning in section["warnings"]),
        *(
            f"FAILED {label(failure)} in round {failure['round'] + 1}: {failure['reason']}"
            for failure in section["failures"]
        ),
    ]


def _is_present(section: Section, figure: Mapping[str, Any]) -> bool:
    return any(figure["key"] in summary["figures"] for summary in section["summaries"])


def _figure(summary: Mapping[str, Any], figure: Mapping[str, Any]) -> str:
    spread = summary["figures"].get(figure["key"])
    if figure["compared"]:
        return _spread(spread, figure["decimals"])
    return "" if spread is None else f"{spread['median']:,.{figure['decimals']}f}"


def _ratio_columns(section: Section) -> list[tuple[str, str]]:
    """Figure and reference of every ratio, in the document's order."""
    found: dict[tuple[str, str], None] = {}
    for summary in section["summaries"]:
        for figure, ratios in summary["ratios"].items():
            found.update(dict.fromkeys((figure, reference) for reference in ratios))
    return list(found)


def _ratio(summary: Mapping[str, Any], figure: str, reference: str) -> Mapping[str, float] | None:
    found: Mapping[str, float] | None = summary["ratios"].get(figure, {}).get(reference)
    return found


def _spread(spread: Mapping[str, float] | None, decimals: int, *, sign: str = "") -> str:
    if spread is None:
        return ""
    median, lower, upper = (f"{spread[name]:{sign},.{decimals}f}" for name in ("median", "lower", "upper"))
    return f"{median} ({lower} to {upper})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ruler, *rows])


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
