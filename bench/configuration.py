"""The files of gateways that benchmarks start themselves: one worker, one service, one route."""

_TEXT = """\
[gateway]
workers = 1
admin = "127.0.0.1:0"

[log]
level = "error"
access = "{access_log}"

[[listen]]
address = "127.0.0.1:0"

[services.api]
instances = ["{instance}"]
balance = "p2c"

[[routes]]
host = "www.example.com"
path = "/some/*"
service = "api"
limit = {{ rate = "1000000/s", burst = 1000000, key = "client_ip" }}
retry = {{ attempts = 2 }}
"""


def configuration(instance: str, *, access_log: str, routes: str = "") -> str:
    """The text; ``routes`` are further ones."""
    return _TEXT.format(instance=instance, access_log=access_log) + routes


_PLAIN = """\
[gateway]
workers = 1
admin = "127.0.0.1:0"

[log]
level = "error"

[[listen]]
address = "127.0.0.1:0"

[services.api]
instances = ["{instance}"]

[[routes]]
service = "api"
"""


def plain(instance: str) -> str:
    """The text of one with all defaults, whose route takes every request; what is appended belongs to the route."""
    return _PLAIN.format(instance=instance)
