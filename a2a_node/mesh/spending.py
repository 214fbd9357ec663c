"""Budgets on a call's way: a root's is opened, what a child needs is reserved before it and settled after it.

Only calls whose tree has a budget pay for this, one trip to the store before the work and one after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from a2a_node.model.budget import Account, Amounts, Spending, read
from a2a_node.model.budget_ports import Budgets
from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import StoreUnavailable
from a2a_node.wire.calls import USED

SLACK = 60.0  # seconds that a tree's budget is kept beyond its root's deadline
log = structlog.get_logger()
SpendingOf = Callable[[str], Spending | None]


def budgeted(budgets: Budgets, spending_of: SpendingOf) -> Layer:
    """The layer; `spending_of` an id is what the agent of a call that runs here reports.

    BudgetExhausted before any work, InvalidInput for an `a2a-used` that makes no sense. While the store is away, calls
    of trees with a budget are refused with StoreUnavailable; a call that is under way then ends as it would, and what
    was reserved for it counts as used.
    """

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        envelope = call.envelope
        if envelope is None or (envelope.budget is None and not (call.budget and not envelope.parent)):
            return proceed(call)
        return within(call, envelope, proceed)

    async def within(call: Call, envelope: Envelope, proceed: Proceed) -> None:
        account = Account(envelope.tree, call.id, envelope.parent)
        left = await _admitted(budgets, spending_of, call, envelope)
        call.envelope, call.spending = envelope._replace(budget=left), Spending(left)
        try:
            await proceed(call)
        finally:
            await _settle(budgets, account, call)

    return layer


async def _admitted(budgets: Budgets, spending_of: SpendingOf, call: Call, envelope: Envelope) -> Amounts:
    """What is left for the call; the node that has handed it on has reserved it."""
    if call.carrier:
        return envelope.budget or {}
    if not envelope.parent:
        await budgets.open(envelope.root, call.budget or {}, envelope.allowance + SLACK)
        return call.budget or {}
    parent = spending_of(envelope.parent)
    if parent is not None and USED in call.metadata:  # its agent's report may still be on another way
        parent.reach(read(call.metadata[USED]))
    used = parent.take() if parent is not None else {}
    try:
        return await budgets.reserve(Account(envelope.tree, call.id, envelope.parent), call.reserve or {}, used)
    except StoreUnavailable:
        if parent is not None:
            parent.untake(used)
        raise


async def _settle(budgets: Budgets, account: Account, call: Call) -> None:
    """Count what the call's agent has used; where it was reserved, end it."""
    used = call.spending.take() if call.spending else {}
    try:
        if not call.carrier:
            call.used = await budgets.settle(account, used, worked=call.instance is not None)
        elif used:
            await budgets.report(account, used)
    except StoreUnavailable:
        log.warning("what a call has used could not be settled", call_id=call.id, root=account.root, used=dict(used))
