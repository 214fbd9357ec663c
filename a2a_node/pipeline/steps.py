"""Steps of runs: calls that the node's own workflow engine makes in the name of whoever started the run.

They come in at a door of their own, a socket that this user alone can reach, with a key that the node has handed to its
engine. What is behind that is believed: the warrant that the run was recorded with. From there on a step is a call like
any other: what its starter may not do is refused, and so is all of it once the starter's key has ended.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from math import inf

from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import EnvelopeInvalid
from a2a_node.model.principal import Proof
from a2a_node.model.warrants import StepOfRun, Warrant
from a2a_node.wire.calls import CALL_TOKEN, ENGINE_KEY, RUN, STEP, WARRANT
from a2a_node.wire.warrants import to_warrant

ENGINE = "engine"  # the door
NAME = 200  # characters of an id


class Parents:
    """What calls continue: a run's warrant at the engine's door, the call that a token was given with at all others."""

    def __init__(self, of_token: Callable[[str], Envelope], key: str) -> None:
        """`key` is what the engine was given; with an empty one nobody comes in at its door."""
        self._of_token, self._key = of_token, key.encode()

    def of(self, call: Call) -> Envelope | None:
        """What a call continues, None for the root of a tree; CallTokenInvalid, EnvelopeInvalid."""
        if call.door == ENGINE:
            return self._of_run(call)
        if WARRANT in call.metadata or ENGINE_KEY in call.metadata:
            raise EnvelopeInvalid("door", "warrants of runs come in at the door of the engine alone; send none")
        token = call.metadata.get(CALL_TOKEN)
        return self._of_token(token) if token else None

    def _of_run(self, call: Call) -> Envelope:
        """Let a step act as whoever started its run."""
        sent = call.metadata.get(ENGINE_KEY, "").encode()
        if not self._key or not hmac.compare_digest(sent, self._key):
            raise EnvelopeInvalid("forged", "the node's own engine alone comes in at this door")
        if CALL_TOKEN in call.metadata:
            raise EnvelopeInvalid("mismatch", "a step of a run is no child of a call; send no call token")
        warrant = to_warrant(call.metadata.get(WARRANT))
        call.step = StepOfRun(*(call.metadata.get(name, "")[:NAME] for name in (RUN, STEP)))
        call.principal, call.scopes = warrant.principal, warrant.scopes
        call.proof = Proof(warrant.principal, warrant.scopes, key=warrant.key)
        return _envelope(warrant, call.step.run_id or warrant.run_id)


def _envelope(warrant: Warrant, run_id: str) -> Envelope:
    """The run as the parent of its steps; its time is told by the deadline of each step."""
    return Envelope(
        inf,
        inf,
        warrant.path,
        root=warrant.root,
        authority=warrant.authority,
        id=run_id,
        scopes=warrant.above,
        budget={} if warrant.purse else None,
        purse=warrant.purse,
    )
