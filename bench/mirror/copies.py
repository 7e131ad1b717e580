"""What became of the copies of a run, by the gateway's own metrics: a mirror that never got one has nothing to say."""

import re
from collections import Counter
from collections.abc import Mapping
from urllib.request import urlopen

_MADE = re.compile(r'^headgate_mirror_requests_total\{.*code="(\d+)"\} (\d+)', re.MULTILINE)
_DROPPED = re.compile(r'^headgate_mirror_drops_total\{reason="(\w+)"\} (\d+)', re.MULTILINE)
_SECONDS = 10.0


def copies(admin: str) -> dict[str, int]:
    """How often a copy had this status, or was dropped for that reason, of the gateway with this admin URL. Raises OSError."""
    with urlopen(f"{admin}/metrics", timeout=_SECONDS) as page:
        return parse_copies(page.read().decode())


def parse_copies(text: str) -> dict[str, int]:
    """The same, from the text of the metrics; what there was none of is left out."""
    found: Counter[str] = Counter()
    for pattern in (_MADE, _DROPPED):
        for name, number in pattern.findall(text):
            found[name] += int(number)
    return dict(+found)


def shown(found: Mapping[str, int]) -> str:
    """As a cell of a table."""
    return ", ".join(f"{name}: {number:,}" for name, number in found.items()) or "none"
