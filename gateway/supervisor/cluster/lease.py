"""How many tokens of a shared bucket a gateway holds in stock, and when it asks for more: pure, one object per bucket.

The law: what is held here is missing elsewhere, and what is missing here cannot be admitted. So the stock follows the
use: enough for a moment of it, given back when the use ends.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil, exp

from gateway.clock import NANOSECONDS
from gateway.supervisor.cluster.bucket import Bucket, Take, Taken

LEAST_SHARE = 0.01
"""Of a second's tokens: what is held at least."""
STOCK_NS = 40_000_000
"""The time for which the stock suffices at the present use: several turns and round trips."""
MEMORY_NS = 250_000_000
"""Time constant of the measured use."""
IDLE_NS = NANOSECONDS
"""Use that has ended for so long gives its stock back."""


class Unavailable(StrEnum):
    """What a limit does while Redis cannot be asked."""

    LOCAL = "local"
    """Every gateway goes on with the share that it had."""
    OPEN = "open"
    """Everything is admitted."""
    CLOSED = "closed"
    """Nothing is."""


@dataclass(slots=True)
class Lease:
    """The stock of one bucket at this gateway."""

    bucket: Bucket
    unavailable: Unavailable
    since: int
    """When it was used for the first time, in monotonic nanoseconds."""
    stock: int = 0
    """Tokens in the workers' hands when last looked at; negative: a debt, used before any were granted."""
    use: float = 0.0
    """Tokens per second."""
    not_before: int = 0
    """Asking again makes no sense before this time."""
    asked: bool = False
    """An answer is due."""
    fraction: float = 0.0
    """Of a token: what the share has earned while Redis is away and could not be given out yet."""
    seen_at: int = field(init=False)
    used_at: int = field(init=False)

    def __post_init__(self) -> None:
        self.seen_at = self.used_at = self.since

    def observe(self, stock: int, now: int) -> None:
        """What is left of the stock now."""
        used, self.stock = max(0, self.stock - stock), stock
        elapsed = now - self.seen_at
        if elapsed > 0:
            weight = 1 - exp(-elapsed / MEMORY_NS)
            self.use += weight * (used * NANOSECONDS / elapsed - self.use)
            self.seen_at = now
        if used:
            self.used_at = now

    @property
    def target(self) -> int:
        """The stock that it should have."""
        needed = max(self.bucket.per_second * LEAST_SHARE, self.use * STOCK_NS / NANOSECONDS)
        return max(1, min(ceil(needed), self.bucket.burst))

    @property
    def low_water(self) -> int:
        """The stock at which more is asked for."""
        return self.target // 2

    def is_idle(self, now: int) -> bool:
        """Has the use ended?"""
        return not self.asked and now - self.used_at >= IDLE_NS

    def ask(self, now: int) -> Take | None:
        """What to ask Redis for now, if for anything."""
        if self.asked or now < self.not_before or self.stock > self.low_water:
            return None
        self.asked = True
        return Take(self.bucket, max(0, -self.stock), self.target - max(0, self.stock))

    def answered(self, take: Take, taken: Taken, now: int) -> int:
        """Redis has answered; returns what to add to the stock: what was granted, and the debt that is settled."""
        more = taken.granted + take.used
        self.asked = False
        # Who did not get all competes for what comes, and need not ask for every single token.
        pause = STOCK_NS // 4 if taken.granted < take.wanted else 0
        self.not_before = now + max(taken.wait_us * 1000, pause)
        self.stock += more
        self.fraction = 0.0
        return more

    def unanswered(self) -> None:
        """Nobody knows whether Redis has heard it. A debt stays one: it may be charged twice, but never not at all."""
        self.asked = False

    def earn(self, share: float, now: int) -> int:
        """What to add to the stock while Redis is away: this gateway's share of the limit, as time passes."""
        elapsed, self.not_before = now - max(self.not_before, self.since), now
        self.fraction += max(0.0, share * self.bucket.per_second * elapsed / NANOSECONDS)
        room = max(0, ceil(share * self.bucket.burst) - self.stock)
        earned = min(int(self.fraction), room)
        self.fraction = min(self.fraction - earned, 1.0)
        self.stock += earned
        return earned

    def give_back(self, stock: int) -> Take | None:
        """What to tell Redis of a stock that was taken out of the workers' hands; a negative one is a debt still."""
        return Take(self.bucket, -stock, 0) if stock else None
