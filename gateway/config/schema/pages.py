"""``[errors.STATUS]``, and the pages that routes have of their own."""

from gateway.config.fields import MediaType, PageBody
from gateway.config.schema.table import Table


class ErrorPage(Table):
    """What clients get in place of the gateway's own words."""

    body: PageBody
    """The whole page, at most 64 KiB."""
    type: MediaType = "text/html; charset=utf-8"
    """The value of ``Content-Type``."""
