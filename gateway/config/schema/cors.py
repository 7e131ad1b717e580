"""``cors`` of a route: which pages of other origins may read its answers."""

from typing import Annotated

from gateway.config.cors import MAX_FIELDS, MAX_ORIGINS, read_allowed_field, read_allowed_method, read_origin
from gateway.config.fields import Counted, Flag, between, text
from gateway.config.matching import METHODS
from gateway.config.schema.table import Table
from gateway.config.units import Duration

_Origin = Annotated[str, text(read_origin, "an origin")]
_Method = Annotated[
    str, text(read_allowed_method, 'a request method, such as PUT, or "*"', {"enum": ["*", *sorted(METHODS)]})
]
_Fields = Annotated[
    tuple[Annotated[str, text(read_allowed_field, "the name of a header field")], ...],
    Counted("field", MAX_FIELDS),
]


class Cors(Table):
    """Pages of other origins may read answers of a route, and make requests that need permission."""

    origins: Annotated[tuple[_Origin, ...], Counted("origin", MAX_ORIGINS)]
    """Whose pages: ``https://app.example.com``, all below a domain, ``https://*.example.com``, ``null``, or ``*`` alone."""
    methods: Annotated[tuple[_Method, ...], Counted("method")] = ()
    """Methods of their requests beside GET, HEAD and POST, which need no permission. Without it those of the route."""
    headers: _Fields = ()
    """Header fields of their requests beside those that need no permission."""
    expose: _Fields = ()
    """Header fields of answers that they may read beside those that they may read anyway."""
    credentials: Flag = False
    """Whether their requests may have cookies and the like."""
    max_age: Annotated[Duration, between("0s", "24h")] | None = None
    """For how long a browser may remember what it is allowed. Without it for as long as it likes."""
