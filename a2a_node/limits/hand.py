"""The hand: the tokens of one bucket that this process holds, and when to ask for more. Time is a parameter.

Tokens that calls wait for are used when the store gives them, and grow again from then on: that moment lies between the
beginning and the end of such a call, however late its process hears of it. So they are for calls that waited when the
question was asked; whoever came later has of them what has not grown again.

What is ahead of calls is leased. A lease ends here before it ends in the store, counted from before it was asked for,
so that no token is used twice however the clocks drift. What was used is reported with the next question; when an
answer is lost nobody knows what the store heard, so the old lease is left to end by itself and the next question begins
another.

Of trips to the store 16 may be made at once, 17 in 0.2 s, and so on to 20 in a second: the next one is never more than
0.2 s away. Hands that are too small for what their bucket gains are filled more evenly: four at once, then 59 ms apart.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, floor, inf

from a2a_node.model.limits import Ask, Given, Rate

TTL = 1.5  # seconds of a lease, by the store's clock
MARGIN = 0.05 + 0.02 * TTL  # seconds that it ends earlier here: for the trip, and for a clock that is 2 % slow
TRIPS = 20  # to the store in a second, at most
REST = 1 / TRIPS
EASY, FEW = 16, 4  # trips at once, at most: few where a hand cannot hold what grows between two of so many
BUSY = 3.0  # seconds: after as many trips in these as a second may hold, they are REST apart
QUICK, SLOW = 0.5, 1.0  # seconds between questions: sooner than that asks for more, later for less
AHEAD = 0.03  # seconds of calls that should still be in hand when the next question is asked
SURE = 0.98  # of a rate: this process's clock, which alone is there then, may be 2 % fast
EARLY, MOST_EARLY = 0.04, 0.2  # of a token, and seconds: a little less than the store gives tokens too early
PART, SMALL = 4, 10  # a hand has a fourth of the bucket ahead of calls at most; a tenth where that grows again slowly


@dataclass(slots=True, eq=False)
class Place:
    """The place of a call in the line of those that wait for tokens."""

    cost: int
    came: int  # after that question
    served: bool = False
    ripe: float = -inf  # when its tokens may be used


@dataclass(slots=True, eq=False)
class Hand:
    """Tokens in hand, under the lease of that name."""

    lease: str
    rate: Rate
    tokens: int = 0
    end: float = -inf  # when they must no longer be used
    waiting: int = 0  # tokens that calls wait for
    blocked: float = -inf  # until when the store has too few
    debt: int = 0  # taken without a lease, and not yet known to be charged
    _left: float = inf  # tokens that the store had left when it was asked last, at most
    _told: float = 0.0
    _leased: int = 0  # tokens that it lets grow again only once it hears that they were used
    _used: int = 0
    _line: dict[Place, None] = field(default_factory=dict)
    _due: int = 0  # tokens for calls that waited when they were asked for
    _passed: int = 0  # such tokens that calls had since the last question
    _questions: int = 0
    _answered: int = 0  # the question that was answered last
    _ripe: float = -inf  # when the tokens of that may be used
    torn: bool = False  # the tokens are of a lease that was left to itself
    _size: int = 0  # of what it has in hand once no call waits
    _low: int = 0
    _renewal: float = inf
    _next: float = -inf  # when the store may be asked again
    _trips: deque[float] = field(default_factory=lambda: deque(maxlen=TRIPS))

    def follow(self, rate: Rate) -> None:
        """Go by another rate: how long the store had too few was said of the old one."""
        if rate != self.rate:
            self.rate, self.blocked, self._left, self._leased, self._due = rate, -inf, inf, 0, 0

    def spend(self, cost: int, now: float, ahead: int = 0) -> bool:
        """Use tokens, so many of which are for calls ahead of this one; False when there are too few."""
        if now >= self.end:
            self.tokens = 0
        if self.tokens - ahead < cost:
            return False
        self.tokens -= cost
        self._used += cost
        return True

    def join(self, cost: int, now: float) -> Place:
        """Stand in the line."""
        place = Place(cost, self._questions)
        self._line[place] = None
        self.waiting += cost
        if self._due:
            self._serve(now)
        return place

    def leave(self, place: Place) -> None:
        """Stand in the line no more."""
        if place in self._line:
            del self._line[place]
            self.waiting -= place.cost

    def running_dry(self, now: float) -> bool:
        """Whether it is time to ask for more, beside the calls."""
        if self.tokens > self._low and now < self._renewal:
            return False
        return now >= self.blocked and (not self._trips or now - self._trips[-1] >= REST) and not self.pause(now)

    def scarce(self, now: float) -> bool:
        """Whether the store has too few, also when it gives them a little too early."""
        return now < self.blocked - min(EARLY / self.rate.rate, MOST_EARLY)

    def pause(self, now: float) -> float:
        """Seconds until the store may be asked again, and has enough; 0 for now."""
        return max(0.0, self.blocked - now if self.scarce(now) else 0.0, self._next - now)

    def may_suffice(self, now: float) -> bool:
        """Whether the store may have all that calls wait for by then, going by what it said last."""
        held = self.tokens if now < self.end else 0
        grown = self.rate.rate / SURE * (now - self._told)
        return self.waiting - held <= min(self.rate.burst - self._leased, self._left + grown)

    def idle(self, now: float, span: float) -> bool:
        """Whether it has been of no use for so long."""
        return (
            not self.waiting
            and not self.debt
            and now > self.end + span
            and (not self._trips or now > self._trips[-1] + span)
        )

    def question(self, cost: int, now: float) -> Ask:
        """What to ask the store for; `cost` is what the calls that wait cost each."""
        held = self.tokens if now < self.end and not self.torn else 0
        used, self._used = (0 if self.torn else self._used), 0
        self._grow(used + self._passed, held, now)
        self._space(now)
        self._passed, self._questions = 0, self._questions + 1
        need = max(0, self.waiting - held)
        least = max(0, min(cost, self.waiting) - held)
        want = need + max(0, self._size - held)
        return Ask(self.lease, self.rate, want, need, least, used, held, TTL, self.debt, outright=True)

    def answer(self, ask: Ask, given: Given, asked: float, now: float) -> None:
        """Take in what was given for a question that was asked at that time."""
        if self.torn or now >= self.end:  # too late: the store may have let go of what was in hand
            self.tokens = 0
        if self.torn:
            self.torn, self._used = False, 0
        due = min(given.tokens, ask.need)
        self._due = due if now < asked + TTL - MARGIN else 0
        self.tokens += given.tokens - due
        self.debt -= ask.debt
        if self.tokens:
            self.end = asked + TTL - MARGIN
            self._renewal = self.end - MARGIN - AHEAD
        if ask.rate == self.rate:
            self.blocked = asked + given.wait if given.wait else -inf
            self._left, self._told, self._leased = leftover(ask, given), asked, ask.held + given.tokens - due
        if given.tokens < ask.want:
            self._size = min(self._size, ask.held + given.tokens)
        self._low = min(self.tokens // 2, max(self._low, self._size // 8))
        self._answered, self._ripe = self._questions, now + given.early / SURE
        self._serve(now)

    def tear(self, lease: str) -> None:
        """Leave the lease to itself, since nobody knows what the store heard; go on under another."""
        self.lease, self.torn, self._used, self._left, self._leased, self._due = lease, True, 0, inf, 0, 0

    def void(self, lease: str) -> None:
        """Let go of all tokens: the buckets begin anew."""
        self.tear(lease)
        self.tokens, self.blocked, self.debt, self._size = 0, -inf, 0, 0

    def farewell(self) -> Ask | None:
        """Hand the tokens back; None when there is nothing to settle."""
        used, left = (0, 0) if self.torn else (self._used, self.tokens)
        self.tokens, self._used = 0, 0
        settles = used or left or self.debt
        return Ask(self.lease, self.rate, 0, 0, 0, used, 0, TTL, self.debt) if settles else None

    def _serve(self, now: float) -> None:
        """Let calls through in their order; who came after the question has of its tokens what has not grown again."""
        for place in [*self._line]:
            grown = 0 if place.came < self._answered else self.rate.rate / SURE * (now - self._told)
            due = min(place.cost, max(0, floor(self._due - grown)))
            if self.spend(place.cost - due, now):
                self._due -= due
                self._passed += due
                place.served, place.ripe = True, self._ripe
                self.leave(place)

    def _space(self, now: float) -> None:
        """Say when the store may be asked next: the last trips of a second are spread over it, so none is far away."""
        self._trips.append(now)
        easy = FEW if self._most() <= self.rate.rate * REST else EASY
        step, last = 1.0 / (TRIPS + 1 - easy), len(self._trips)
        due = [at + step * (last - number - easy + 1) for number, at in enumerate(self._trips) if last - number >= easy]
        busy = last == TRIPS and now - self._trips[0] < BUSY
        self._next = max(now + REST if busy else now, *due, now)

    def _grow(self, used: int, held: int, now: float) -> None:
        """Have more in hand when the last lease went quickly, less when it lasted, none when it ended: that is lost."""
        since = now - self._trips[-1] if self._trips else inf
        if since < QUICK and held <= max(self._low, self.waiting):
            self._size = min(max(1, 2 * self._size, used + self.waiting), self._most())
        elif now >= self.end:
            self._size = 0
        elif since > SLOW:
            self._size = min(self._size, 2 * used)
        self._low = ceil(used / since * AHEAD) if 0 < since < inf else 0

    def _most(self) -> int:
        """The most to have ahead of calls: what is lost then grows again within a lease, or is little of the bucket."""
        burst, grown = self.rate.burst, int(self.rate.rate * TTL)
        return max(burst // SMALL, min(max(1, burst // PART), grown))


def leftover(ask: Ask, given: Given) -> float:
    """What the store had left after an answer, at most: of what it has ahead of calls it gives half."""
    if given.wait:
        return (1 if given.tokens else max(1, ask.least)) - given.wait * ask.rate.rate
    return given.tokens - ask.need + 2 if given.tokens < ask.want else inf


@dataclass(slots=True)
class Share:
    """A bucket of this process alone, which begins empty: its part of the rate while the store is away."""

    began: float
    at: float = -inf
    level: float = 0.0

    def take(self, cost: int, now: float, rate: Rate, parts: int) -> float:
        """Use tokens of one of so many parts; 0, or else the seconds until there are enough, inf for never."""
        part, brim = SURE * rate.rate / parts, rate.burst / parts
        since = max(self.at, self.began)
        if now > since:
            self.level, since = min(brim, self.level + part * (now - since)), now
        self.at = since
        if self.level >= cost:
            self.level -= cost
            return 0.0
        return inf if brim < cost else since - now + (cost - self.level) / part
