"""``retry``, which routes and listeners that pass connections through have alike."""

from typing import Annotated

from gateway.config.fields import whole
from gateway.config.schema.table import Table


class Retry(Table):
    """What happens when an instance fails before the client has seen any of the response."""

    attempts: Annotated[int, whole(0, 10)] = 2
    """Extra tries after the first, on another instance where there is one."""
