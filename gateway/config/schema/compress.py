"""``compress`` of a route: which answers of instances go out in a content coding."""

from typing import Annotated, Literal

from gateway.config.compression import CODINGS, DEFAULT_TYPES, MAX_LEVEL, MAX_TYPES, read_type
from gateway.config.fields import Counted, Flag, choice, size_between, text, whole
from gateway.config.schema.table import Table
from gateway.config.units import Size
from gateway.errors import InvalidValueError

_Coding = Annotated[Literal["zstd", "gzip"], choice(*CODINGS)]
_Type = Annotated[str, text(read_type, "a media type")]
_Level = Annotated[int, whole(1, MAX_LEVEL)]


class Compress(Table):
    """Answers of instances go out compressed, to clients that accept it."""

    codings: Annotated[tuple[_Coding, ...], Counted("coding")] = ("zstd", "gzip")
    """"zstd" and "gzip": of those that a client likes alike the first is taken."""
    types: Annotated[tuple[_Type, ...], Counted("type", MAX_TYPES)] = DEFAULT_TYPES
    """Media types of answers that are compressed: ``text/html``, or all of a kind, ``text/*``. Without it, what is text or like text."""
    min_length: Annotated[Size, size_between("1B", "1GiB")] = Size.parse("1KiB")
    """The least length of a body, where the instance says it; one of unknown length is compressed."""
    gzip_level: _Level = 4
    """From 1, the least work, to 9, the smallest answers."""
    zstd_level: _Level = 3
    """From 1, the least work, to 9, the smallest answers."""
    with_credentials: Flag = False
    """Also to requests with ``Cookie`` or ``Authorization``, and answers with ``Set-Cookie``. Their length may tell of a secret in them."""

    def level_of(self, coding: str) -> int:
        """The level of a coding."""
        return {"gzip": self.gzip_level, "zstd": self.zstd_level}[coding]


def compress_table(value: object) -> object:
    """``true`` stands for the defaults, ``false`` for none."""
    if isinstance(value, bool):
        return {} if value else None
    if not isinstance(value, dict):
        raise InvalidValueError("true, false or a table")
    return value
