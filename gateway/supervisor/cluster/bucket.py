"""What gateways and the store say to each other about one shared bucket, as values."""

from dataclasses import dataclass

from gateway.model import Unreachable


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """A limit that all gateways share, counted in requests: one that costs several tokens is a slower one with a smaller
    burst. Where answers say what they cost, in tokens.
    """

    name: str
    """The same at every gateway."""
    interval_us: float
    """Microseconds until the next one."""
    burst: float
    """As many at once; at least 1."""
    unreachable: Unreachable
    strict: bool = False
    """Nothing passes that the store has not granted before: requests wait for its answer."""

    @property
    def per_second(self) -> float:
        """So many a second."""
        return 1_000_000 / self.interval_us


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of a shared limit."""

    limit: SharedLimit
    key: int
    """The hash of the client's key, the same at every gateway."""

    @property
    def name(self) -> str:
        """The same at every gateway, and no other bucket's."""
        return f"{self.limit.name}/{self.key:016x}"


@dataclass(frozen=True, slots=True)
class Take:
    """What a gateway asks for."""

    bucket: Bucket
    used: int
    """What was used without asking; negative: given back."""
    wanted: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What it gets."""

    granted: int
    wait_us: int
    """When something was wanted and nothing granted: how long until there is one, if nobody else takes it."""
    level: int
    """What is still there."""
