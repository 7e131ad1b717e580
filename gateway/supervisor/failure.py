"""The one error of a gateway that cannot start: an operator's mistake in a single line, never a traceback."""


class StartError(Exception):
    """The gateway cannot serve, for the reason given; ``headgate run`` prints it and exits 1."""
