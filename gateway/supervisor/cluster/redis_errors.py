"""What the log says of a Redis that failed: our own words for each kind of failure.

A server's words are never repeated: it may answer with the command that it refuses, and the first one has the password.
"""

import os
import ssl
from collections.abc import Iterator

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

FAILURES = (exceptions.RedisError, exceptions.RedisClusterException, OSError, ValueError, TypeError)
"""What the client raises because of a server or the way to it, whatever the server says."""
REFUSED = "it refuses the user name or the password"
NO_NUMBERS = "it answers with something else than numbers"
NO_CONNECTION = "no connection"
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "no answer in time"),
    (exceptions.TimeoutError, "no answer in time"),
    (exceptions.AuthenticationError, REFUSED),
    (exceptions.AuthenticationWrongNumberOfArgsError, REFUSED),
    (exceptions.AuthorizationError, REFUSED),
    (exceptions.NoPermissionError, "the user may not run the commands that are needed"),
    (exceptions.BusyLoadingError, "it is still loading its data"),
    (MasterNotFoundError, "no sentinel names the primary"),
    (exceptions.ReadOnlyError, "it is a replica"),
    (exceptions.OutOfMemoryError, "it is out of memory"),
    (exceptions.ClusterError, "the cluster is down"),
    (exceptions.RedisClusterException, "no server of the cluster says where all slots are"),
    (exceptions.ConnectionError, NO_CONNECTION),
    (exceptions.ResponseError, "it refuses a command"),
    (exceptions.RedisError, "it does not speak as Redis does"),
    (OSError, NO_CONNECTION),
    (ValueError, NO_NUMBERS),
    (TypeError, NO_NUMBERS),
)
"""The first that fits is said."""


def words(error: BaseException) -> str:
    """Why Redis could not be asked, and what the system says of the connection."""
    said = next((said for kind, said in _WORDS if isinstance(error, kind)), type(error).__name__)
    known = next((reason for each in _chain(error) if (reason := _of_the_system(each))), "")
    return f"{said}: {known}" if known else said


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it."""
    reason: BaseException | None = error
    while reason is not None:
        yield reason
        reason = reason.__cause__ or reason.__context__


def _of_the_system(error: BaseException) -> str:
    """What OpenSSL or the kernel says, by number: the words of an error may be anybody's."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS: {error.reason}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
    return ""
