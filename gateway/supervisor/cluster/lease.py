"""How much of a shared bucket a gateway holds in stock, and when it asks for more: pure, one object per bucket.

The law: what is held here is missing elsewhere, and what is missing here cannot be admitted. So the stock follows the
use: enough for a moment of it, given back when the use ends. Where the bucket is plentiful nothing need be held at all:
the workers go ahead on credit, and what they used is told afterwards. Of a strict limit nobody goes ahead: what is not
here is asked for by as many as wait for it, and they pass with what was granted, or are refused.
"""

from dataclasses import dataclass, field
from math import ceil, exp

from gateway.clock import NANOSECONDS
from gateway.model import Unreachable
from gateway.supervisor.cluster.bucket import Bucket, SharedLimit, Take, Taken

LEAST_SHARE = 0.01
"""Of a second's tokens: what is held at least of a bucket that is in use."""
COVER_NS = 40_000_000
"""The time for which the stock suffices at the present use: several turns and round trips."""
MEMORY_NS = 250_000_000
"""Time constant of the measured use."""
LEAST_USE = 1e-3
"""Tokens per second; less is none, or what an average forgets would never be nothing."""
IDLE_NS = NANOSECONDS
"""Use that has ended for so long gives its stock back."""
GOOD_FOR_NS = 3 * NANOSECONDS
"""A stock whose keeper is gone for so long is lost."""
TIME_UNIT_NS = 1 << 30
"""The time until which a stock is good is kept in such units, rounded up."""
LOOK_NS = NANOSECONDS // 2
"""At least so often a lease is looked at, which keeps its stock good."""
RETRY_NS = NANOSECONDS // 10
"""Between two attempts to reach a store that is away: so much earlier than this gateway may others find it again."""
SHORT_PAUSE_NS = COVER_NS // 4
"""Between two questions for a bucket that did not have all: who competes need not ask for every single token."""


@dataclass(slots=True)
class Lease:
    """The stock of one bucket at this gateway."""

    bucket: Bucket
    since: int
    """When it was used for the first time, in monotonic nanoseconds."""
    held: int = 0
    """What was in the workers' hands when last looked at; negative: a debt, used before any was granted."""
    heard_of: bool = False
    """The store has been asked; before, nobody knows what is in the bucket."""
    plentiful: bool = True
    """There was enough in the bucket for all gateways' credit; of a strict limit, for all that was asked for."""
    level: int = 0
    """What was left in the bucket when it was asked last."""
    waiting: int = 0
    """Times that workers have wanted more since it was looked at last: of a strict limit each request that begins to wait does, and one of
    those that are refused.
    """
    use: float = 0.0
    """Tokens per second."""
    not_before: int = 0
    """Asking again makes no sense before this time."""
    lent: int = 0
    """What the stock has got on this gateway's own word while the store was away, less what came back to the bucket meanwhile;
    negative: what it had to forgo.
    """
    lent_until: int | None = None
    """Up to when its share was reckoned; None from the store's first answer on."""
    fraction: float = 0.0
    """Of a token: what the share has earned and could not be given out yet."""
    due: int = 0
    """When to look at it next."""
    seen_at: int = field(init=False)
    used_at: int = field(init=False)

    def __post_init__(self) -> None:
        self.seen_at = self.used_at = self.since

    @property
    def limit(self) -> SharedLimit:
        """The limit that the bucket belongs to."""
        return self.bucket.limit

    def observe(self, held: int, now: int) -> None:
        """What is left of the stock now."""
        used, self.held = max(0, self.held - held), held
        elapsed = now - self.seen_at
        if elapsed > 0:
            weight = 1 - exp(-elapsed / MEMORY_NS)
            self.use += weight * (used * NANOSECONDS / elapsed - self.use)
            if self.use < LEAST_USE:
                self.use = 0.0
            self.seen_at = now
        if used:
            self.used_at = now

    def target(self, cover: int = COVER_NS) -> int:
        """The stock that it should have, to suffice for so many nanoseconds."""
        needed = max(self.limit.per_second * LEAST_SHARE, self.use * cover / NANOSECONDS)
        wanted = int(needed) if self.plentiful else max(1, ceil(needed))
        return min(max(wanted, self.waiting), int(self.limit.burst))

    def is_idle(self, now: int) -> bool:
        """Has the use ended, and does nobody wait for more? A strict limit is heard of until its next token, if that is near."""
        awaits_token = self.limit.strict and now < self.not_before <= now + GOOD_FOR_NS
        return now - self.used_at >= IDLE_NS and not self.waiting and not awaits_token

    def ask(self, now: int, cover: int = COVER_NS) -> Take | None:
        """What to ask the store for now, if for anything."""
        target, granted = self.target(cover), self.granted
        returns = self.lent_until is not None
        if not returns and (now < self.not_before or (self.heard_of and granted > target // 2)):
            return None
        take = Take(self.bucket, max(0, -granted), max(0, target - max(0, granted)))
        return take if take.used or take.wanted or returns or not self.heard_of else None

    @property
    def granted(self) -> int:
        """What is left of the store's word alone; negative: what was used beyond it, and will be charged."""
        return self.held - self.lent

    def answered(self, take: Take, taken: Taken, now: int) -> int:
        """The store has answered; returns what to add to the stock: what was granted, and the debt that is settled. What
        it had got on this gateway's own word is no part of it any more.
        """
        more = taken.granted + take.used - self.lent
        self.lent, self.lent_until = 0, None
        self.heard_of = True
        short = taken.granted < take.wanted
        self.not_before = now + max(taken.wait_us * 1000, SHORT_PAUSE_NS) if short else now
        self.level = taken.level
        self.plentiful = not short and (self.limit.strict or taken.level >= self.limit.burst / 2)
        self.held += more
        return more

    def good_until(self, now: int) -> int:
        """Until when the stock is good. Without credit, at least until the bucket is plentiful again, if nobody takes
        from it: else the key would pass for a new one, and have credit. Of a strict limit new ones have none either.
        """
        missing = 0 if self.plentiful or self.limit.strict else max(0.0, self.limit.burst / 2 - self.level)
        return now + max(GOOD_FOR_NS, ceil(missing * self.limit.interval_us * 1000))

    def short_until(self, now: int) -> int:
        """Until when the key keeps its slot, without credit, when the lease has ended; in the past where it need not. Of a strict limit
        it is refused that long, so never for longer than the store has said.
        """
        if self.plentiful:
            return now
        if self.limit.strict:
            return self.not_before - TIME_UNIT_NS if self.held <= 0 else now
        return self.good_until(now)

    def look_at(self, now: int, turn: int, cover: int = COVER_NS) -> int:
        """When it may next need something, at the present use; turns are so many nanoseconds apart."""
        latest, target = now + LOOK_NS, self.target(cover)
        spare = self.held - target // 2
        if spare > 0:
            lasts = ceil(spare / self.use * NANOSECONDS) if self.use > 0 else LOOK_NS
            return min(now + max(lasts, turn), latest)
        if self.held < 0 or self.held < target:
            return min(max(self.not_before, now + turn), latest)
        return latest

    def go_without(self, gateways: int, now: int) -> int:
        """What to add to the stock while the store is away and the limit goes by its share: this gateway's own bucket is
        full at a stock of 0 and owes a share of the burst when it is empty. It begins with a share of what was left.

        The store's bucket fills by itself meanwhile, and so for this share no more of it can be missing afterwards than is
        missing here: what the share earns beyond what it had to forgo is not charged, but for the last moment, in which
        others may have used up the store's bucket already.
        """
        share = 1 / gateways
        if self.lent_until is None:
            self.lent_until, self.fraction = now, 0.0
            gone = ceil(share * (self.limit.burst - self.level)) if self.heard_of else 0
            empty = -ceil(share * self.limit.burst)
            more = self.lent = min(0, max(empty, self.held - gone) - self.held)
        else:
            self.fraction += share * self.limit.per_second * (now - self.lent_until) / NANOSECONDS
            self.lent_until = now
            more = min(int(self.fraction), max(0, -self.held))
            self.fraction = min(self.fraction - more, 1.0)
            latest = share * self.limit.per_second * RETRY_NS / NANOSECONDS
            self.lent = max(self.lent, min(ceil(latest), self.lent + more))
        self.held += more
        return more


def credit(limit: SharedLimit, gateways: int) -> int:
    """What a stock may owe: half of the burst, for all gateways together, and one request for each; nothing of a strict one."""
    return 0 if limit.strict else ceil(limit.burst / (2 * gateways))


def credit_without_store(limit: SharedLimit, gateways: int, most: int) -> int:
    """What a stock may owe while the store is away; ``most`` is more than anybody uses up."""
    match limit.unreachable:
        case Unreachable.LOCAL:
            return ceil(limit.burst / gateways)
        case Unreachable.OPEN:
            return most
        case Unreachable.CLOSED:
            return 0
