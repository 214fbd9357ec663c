"""Warrants: what a node knew of whoever started a run, and the step of a run that a call is."""

from __future__ import annotations

from dataclasses import dataclass

from a2a_node.model.principal import Principal
from a2a_node.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Warrant:
    """By what the steps of a run are called, as if whoever started it made those calls from there itself."""

    run_id: str
    principal: Principal  # who started it
    scopes: tuple[str, ...] | None = None  # what bounds the key that it was started with
    key: str = ""  # id of that API key, or of the one that the token was issued under
    authority: tuple[Principal, ...] = ()  # who acts for whom; empty where the principal acted for itself
    above: tuple[tuple[str, ...], ...] = ()  # what bounds the keys on the way there
    path: tuple[str, ...] = ()  # names of the agents on the way there
    root: str = ""  # id of the first call of its tree; empty where it begins one
    purse: str = ""  # under what the budget of its steps is kept; empty where nothing bounds them
    trace: Trace | None = None  # the span that its steps are below
    baggage: str = ""


@dataclass(frozen=True, slots=True)
class StepOfRun:
    """Which step a call is."""

    run_id: str
    step: str
