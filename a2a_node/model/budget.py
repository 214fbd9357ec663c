"""What a tree of calls may use, in any units: amounts, who reports them, and how they are written in metadata."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import NAME, checked_name

CALLS = "calls"  # the unit that the nodes count themselves
MOST_UNITS = 16
MOST = 10**15  # of a unit; whatever computes with it stays exact
Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """A call as its tree's budget knows it, by ids; a root's own has no parent."""

    root: str
    call: str
    parent: str = ""


def checked_amounts(field: str, amounts: Amounts) -> Amounts:
    """The amounts themselves; InvalidInput names the first entry that is wrong."""
    if len(amounts) > MOST_UNITS:
        raise InvalidInput(field, f"has {len(amounts)} units, the limit is {MOST_UNITS}")
    for unit, amount in amounts.items():
        checked_name(field, unit)
        if not 0 <= amount <= MOST:
            raise InvalidInput(f"{field}.{unit}", f"{amount} must be 0 to {MOST}")
    return amounts


class Spending:
    """What one call has used of its tree's budget; any thread may add to it."""

    def __init__(self, left: Amounts) -> None:
        """`left` is what the tree has left, by unit, as the call begins."""
        self._left = dict(left)
        self._used: dict[str, int] = {}
        self._counted: dict[str, int] = {}  # of what was used; the agent may have said more of it by the other way
        self._unsettled: dict[str, int] = {}
        self._lock = threading.Lock()
        self.told: Callable[[], None] | None = None  # hears, from any thread, that there is something to take again

    def spend(self, unit: str, amount: int) -> None:
        """Note that so much more was used; InvalidInput for what cannot be. Units without a limit are let pass."""
        if not NAME.fullmatch(unit) or not 0 <= amount <= MOST:
            raise InvalidInput("used", f"{amount} of {unit[:80]!r} cannot be used")
        if unit in self._left:
            with self._lock:
                first = not self._unsettled
                self._used[unit] = min(MOST, self._used.get(unit, 0) + amount)
                self._count(unit, self._used[unit])
            if first and self.told is not None:
                self.told()

    def reach(self, used: Amounts) -> None:
        """Note that so much was used in all; what `spend` has heard of it, or hears later, counts once."""
        with self._lock:
            for unit in used.keys() & self._left.keys():
                self._count(unit, used[unit])

    def used(self) -> Amounts:
        """What this call has used itself, in all."""
        with self._lock:
            return dict(self._used)

    def left(self) -> Amounts:
        """What was left at the beginning, less what this call has used itself since."""
        with self._lock:
            return dict(self._left)

    def take(self) -> Amounts:
        """What was used since this was last asked."""
        with self._lock:
            unsettled, self._unsettled = self._unsettled, {}
            return unsettled

    def untake(self, amounts: Amounts) -> None:
        """Put back what was taken and could not be settled."""
        for unit, amount in amounts.items():
            with self._lock:
                self._unsettled[unit] = min(MOST, self._unsettled.get(unit, 0) + amount)

    def _count(self, unit: str, used: int) -> None:
        more = max(0, used - self._counted.get(unit, 0))
        self._counted[unit] = self._counted.get(unit, 0) + more
        self._left[unit] = max(0, self._left[unit] - more)
        if more:
            self._unsettled[unit] = min(MOST, self._unsettled.get(unit, 0) + more)


def written(amounts: Amounts) -> str:
    """Amounts as a metadata entry says them, for example "cents=3,tokens=120"."""
    return ",".join(f"{unit}={amount}" for unit, amount in sorted(amounts.items()))


def read(text: str) -> Amounts:
    """What `written` has written; InvalidInput."""
    amounts: dict[str, int] = {}
    for entry in text.split(",") if text else ():
        unit, _, amount = entry.strip().partition("=")
        if not (amount.isascii() and amount.isdigit() and len(amount) <= len(str(MOST))):
            raise InvalidInput("used", f"{entry[:80]!r} must look like tokens=120")
        amounts[unit] = amounts.get(unit, 0) + int(amount)
    return checked_amounts("used", amounts)
