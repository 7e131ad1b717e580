"""The JSON documents of ``bench.peers``: read, and put together when several runs make one page."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]
_PARTS = ("date", "machine", "plan", "versions", "remarks", "workloads")


class DocumentError(Exception):
    """A file is no result of ``bench.peers``, or two do not belong together; the message names the file."""


def read(path: Path) -> Document:
    """One document. Raises DocumentError when the file is none."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DocumentError(f"{path}: {error}") from error
    if not isinstance(document, dict) or not all(part in document for part in _PARTS):
        raise DocumentError(f"{path}: not a result of bench.peers")
    return document


def merged(documents: Iterable[tuple[Path, Document]]) -> Document:
    """Several runs as one: a later run's workload takes the place of an earlier one's.

    Raises DocumentError when they are of different machines or versions: their figures do not stand side by side.
    """
    (first_path, first), *others = documents
    workloads = {section["name"]: section for section in first["workloads"]}
    versions, remarks = dict(first["versions"]), dict(first["remarks"])
    for path, other in others:
        if other["machine"] != first["machine"]:
            raise DocumentError(f"{path}: of another machine than {first_path}")
        for name, version in other["versions"].items():
            if versions.setdefault(name, version) != version:
                raise DocumentError(f"{path}: {name} is {version}, and {versions[name]} in an earlier file")
        remarks.update(other["remarks"])
        workloads.update({section["name"]: section for section in other["workloads"]})
    parts = {"versions": versions, "remarks": remarks, "workloads": list(workloads.values())}
    return {**first, **parts}
