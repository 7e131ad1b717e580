"""Tells whether the access log can be written, before a configuration is brought into force."""

import os

from gateway.model import ACCESS_LOG_MODE, ACCESS_LOG_OFF, ACCESS_LOG_STDOUT
from gateway.supervisor.failure import StartError

CREATE_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def require_writable(target: str) -> None:
    """Creates the file if it is not there. Raises StartError when the workers could not write it."""
    if target in (ACCESS_LOG_OFF, ACCESS_LOG_STDOUT):
        return
    try:
        os.close(os.open(target, CREATE_FLAGS, ACCESS_LOG_MODE))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StartError(f"cannot write the access log {target}: {reason}") from None
