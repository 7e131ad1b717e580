"""The small language of the integration tests: origins named by their vice, a gateway, clients, and patience."""

from tests.helpers.client import Client, Response
from tests.helpers.configuration import configuration
from tests.helpers.curl import curl
from tests.helpers.gateway import Gateway
from tests.helpers.origin import Origin, Reply, Request
from tests.helpers.patience import eventually, settled

__all__ = [
    "Client",
    "Gateway",
    "Origin",
    "Reply",
    "Request",
    "Response",
    "configuration",
    "curl",
    "eventually",
    "settled",
]
