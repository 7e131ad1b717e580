"""The file of a gateway that the messages are sent through: one worker, one instance, one route."""

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
