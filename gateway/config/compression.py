"""How the media types of what is compressed are written, and which are worth it."""

import re

from gateway.errors import InvalidValueError

CODINGS = ("zstd", "gzip")
"""The content codings that there are, the one first that does more for less work."""
MAX_LEVEL = 9
"""The most work that an encoder may be told to do; the engine knows the same bound."""
MAX_TYPES = 64  # every answer that may be compressed is compared with them

DEFAULT_TYPES = (
    "text/calendar", "text/css", "text/csv", "text/html", "text/javascript", "text/markdown", "text/plain", "text/vcard",
    "text/vtt", "text/xml", "application/atom+xml", "application/geo+json", "application/graphql-response+json",
    "application/javascript", "application/json", "application/ld+json", "application/manifest+json",
    "application/problem+json", "application/rss+xml", "application/vnd.api+json", "application/wasm",
    "application/x-ndjson", "application/xhtml+xml", "application/xml", "font/otf", "font/ttf", "image/svg+xml",
)  # fmt: skip
"""What is text, or as good as text. Not ``text/event-stream``: a stream would keep its encoder's memory as long as it lives."""

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/(?:\*|[a-z0-9!#$&^_.+-]+)", re.ASCII)
_COMPRESSED = re.compile(
    r"image/(?:avif|gif|heic|jpeg|png|webp)|(?:audio|video)/.*|font/woff2?"
    r"|application/(?:gzip|x-gzip|zip|zstd|x-7z-compressed|x-bzip2?|x-xz|vnd\.rar)",
    re.ASCII,
)


def read_type(text: str) -> str:
    """A media type without parameters, or all of a kind: ``text/*``. Raises InvalidValueError."""
    known = text.lower()
    if not _TYPE.fullmatch(known):
        raise InvalidValueError('a media type without parameters, such as "text/html", or a kind: "text/*"')
    return known


def is_compressed(media_type: str) -> bool:
    """Is what has this type compressed in itself, so that nothing more comes of it?"""
    return _COMPRESSED.fullmatch(media_type) is not None


def kind_of(media_type: str) -> str:
    """``text/*`` for ``text/html``."""
    return media_type.partition("/")[0] + "/*"
