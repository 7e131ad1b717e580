"""Where every key and value of a TOML text stands: tomllib gives values without places, tree-sitter places only."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from gateway.config.paths import KeyPath
from gateway.errors import Place

_LANGUAGE = Language(tree_sitter_toml.language())
_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})
_CONTAINERS = frozenset({"array", "inline_table"})


@dataclass(frozen=True, slots=True)
class Entry:
    """The nodes that an entry of the data comes from."""

    key: Node
    """Its key; the element itself in an array."""
    value: Node
    """Its value; the key in the header for a table that has one."""


class Positions:
    """The places of one text, which tomllib has accepted."""

    def __init__(self, text: str) -> None:
        """Reads the whole text once."""
        # tomllib takes "\r\n" for a newline and allows no other "\r", so both count the same lines.
        self._lines = text.encode().split(b"\n")
        self._entries: dict[KeyPath, Entry] = {}
        self._elements: dict[KeyPath, int] = {}
        root = Parser(_LANGUAGE).parse(text.encode()).root_node
        for node in root.named_children:
            if node.type == "pair":
                self._pair((), node)
            elif node.type in ("table", "table_array_element"):
                self._header(node)

    def key(self, path: KeyPath) -> Place:
        """The key of an entry; of its nearest ancestor when the text has none; the start of the text for the root."""
        entry = self._nearest(path)
        return self._place(entry.key) if entry else Place(1, 1)

    def value(self, path: KeyPath) -> Place:
        """The value of an entry, on its first line; for a table with a header the key in the header."""
        entry = self._nearest(path)
        return self._place(entry.value) if entry else Place(1, 1)

    def line(self, number: int) -> str:
        """Line ``number``, from 1, without its end."""
        return self._lines[number - 1].decode().removesuffix("\r")

    def _nearest(self, path: KeyPath) -> Entry | None:
        for length in range(len(path), 0, -1):
            if entry := self._entries.get(path[:length]):
                return entry
        return None

    def _place(self, node: Node) -> Place:
        row, start = node.start_point
        line = self._lines[row]
        end = node.end_point[1] if node.end_point[0] == row else len(line.rstrip())
        column = len(line[:start].decode()) + 1
        return Place(row + 1, column, max(1, len(line[start:end].decode())))

    def _header(self, node: Node) -> None:
        """``[a.b]`` or ``[[a.b]]`` and the pairs under it."""
        name, *pairs = (child for child in node.named_children if child.type in _KEYS or child.type == "pair")
        keys = list(_keys(name))
        path: KeyPath = ()
        for index, (key, key_node) in enumerate(keys):
            path += (key,)
            self._entries.setdefault(path, Entry(key_node, key_node))
            last = index == len(keys) - 1
            if last and node.type == "table_array_element":
                self._elements[path] = self._elements.get(path, -1) + 1
            if path in self._elements:
                path += (self._elements[path],)
                self._entries.setdefault(path, Entry(name, name))
        # A table that other headers or dotted keys named before is shown where its own header stands.
        self._entries[path] = Entry(name, name)
        for pair in pairs:
            self._pair(path, pair)

    def _pair(self, table: KeyPath, node: Node) -> None:
        """``key = value``, the key perhaps dotted."""
        parts = [child for child in node.named_children if child.type != "comment"]
        if len(parts) != 2:  # the grammar has recovered from something that it does not know
            return
        name, value = parts
        path = table
        for key, key_node in _keys(name):
            path += (key,)
            self._entries.setdefault(path, Entry(key_node, key_node))
        self._entries[path] = Entry(self._entries[path].key, value)
        self._inside(path, value)

    def _inside(self, path: KeyPath, node: Node) -> None:
        """The entries of an array or an inline table."""
        if node.type not in _CONTAINERS:
            return
        parts = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for pair in parts:
                self._pair(path, pair)
            return
        for index, element in enumerate(parts):
            self._entries[*path, index] = Entry(element, element)
            self._inside((*path, index), element)


def _keys(node: Node) -> Iterator[tuple[str, Node]]:
    """The single keys of a key that may be dotted, in order."""
    # A dotted key is the dotted key of all but the last, and the last: unrolled, for it may be long.
    last_first = []
    while node.type == "dotted_key":
        node, last = (child for child in node.named_children if child.type in _KEYS)
        last_first.append(last)
    for part in (node, *reversed(last_first)):
        yield _unquoted(part), part


def _unquoted(node: Node) -> str:
    text = (node.text or b"").decode()
    return next(iter(tomllib.loads(f"{text} = 0"))) if node.type == "quoted_key" else text
