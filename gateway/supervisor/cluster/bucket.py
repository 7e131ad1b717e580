"""What gateways and Redis say to each other about one token bucket, as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of a limit that all gateways share."""

    name: str
    """The same at every gateway: the names of route and limit, and the client's key."""
    interval_us: float
    """Microseconds per token."""
    burst: int

    @property
    def per_second(self) -> float:
        """Tokens per second."""
        return 1_000_000 / self.interval_us


@dataclass(frozen=True, slots=True)
class Take:
    """What a gateway asks for."""

    bucket: Bucket
    used: int
    """Tokens that were used without asking; negative: tokens given back."""
    wanted: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What it gets."""

    granted: int
    wait_us: int
    """When nothing was granted: how long until there is a token, if nobody else takes it."""
