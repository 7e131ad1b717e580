"""Markdown tables of a workload's section of the document."""

from collections.abc import Mapping, Sequence
from typing import Any

Section = Mapping[str, Any]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A table in Markdown whose first columns hold words and the others numbers."""
    ruler = [*["---"] * words, *["---:"] * (len(header) - words)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ruler, *rows])


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
    return table(["gateway", *(figure["title"] for figure in figures)], rows)


def ratios_table(section: Section) -> str:
    """What every contender costs in units of the references, and of its own first setup; empty without any."""
    columns = _ratio_columns(section)
    rows = [
        [label(summary), *(_ratio_text(summary, *column) for column in columns)]
        for summary in section["summaries"]
    ]
    if not columns:
        return ""
    several = len({figure for figure, _ in columns}) > 1
    titles = [f"{figure} to {reference}" if several else f"to {reference}" for figure, reference in columns]
    return table(["ratio", *titles], rows)


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
    return table(["change", f"ratio to {first}", f"more than {first}, µs/request"], rows) if rows else ""


def overview_table(sections: Sequence[Section], gateway: str = "headgate") -> str:
    """One gateway's ratios to all others, a row for each workload; empty when there is nobody to compare with."""
    references = dict.fromkeys(
        reference for section in sections for _, reference in _ratio_columns(section) if reference != gateway
    )
    rows = [
        [_row_title(section, summary, figure), *(_median(ratios.get(name)) for name in references)]
        for section in sections
        for summary in section["summaries"]
        if summary["gateway"] == gateway
        for figure, ratios in summary["ratios"].items()
        if ratios.keys() & references.keys()
    ]
    return table(["workload", *(f"to {name}" for name in references)], rows) if rows else ""


def growth_table(sections: Sequence[Section], gateway: str = "headgate") -> str:
    """What more of something costs one gateway, a row for each setup; empty where no setups were compared."""
    rows = [
        [_row_title(section, summary, figure), _spread(change["ratio"], 3)]
        for section in sections
        for summary in section["summaries"]
        if summary["gateway"] == gateway
        for figure, change in summary["changes"].items()
    ]
    return table(["workload", "ratio to the first setup"], rows) if rows else ""


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


def _row_title(section: Section, summary: Mapping[str, Any], figure: str) -> str:
    several = sum(one["compared"] for one in section["figures"]) > 1
    words = [
        section["title"],
        *([summary["setup"]] if summary["setup"] else []),
        *([figure] if several else []),
    ]
    return ", ".join(words)


def _median(spread: Mapping[str, float] | None) -> str:
    return "" if spread is None else f"{spread['median']:.3f}"


def _ratio(summary: Mapping[str, Any], figure: str, reference: str) -> Mapping[str, float] | None:
    found: Mapping[str, float] | None = summary["ratios"].get(figure, {}).get(reference)
    return found


def _ratio_text(summary: Mapping[str, Any], figure: str, reference: str) -> str:
    if reference == label(summary):
        return "1"
    return _spread(_ratio(summary, figure, reference), 3)


def _spread(spread: Mapping[str, float] | None, decimals: int, *, sign: str = "") -> str:
    if spread is None:
        return ""
    median, lower, upper = (f"{spread[name]:{sign},.{decimals}f}" for name in ("median", "lower", "upper"))
    return f"{median} ({lower} to {upper})"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
