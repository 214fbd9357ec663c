"""The order of the layers, which is read in one place and changed on purpose only."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from a2a_node.node import layers

SOURCE = ast.parse(Path(layers.__file__).read_text(encoding="utf-8"))


def listed(name: str) -> Sequence[str]:
    """The names in the list of layers that a method folds, outermost first; a layer's own word where it has one."""
    (method,) = [node for node in ast.walk(SOURCE) if isinstance(node, ast.FunctionDef) and node.name == name]
    (order,) = [node for node in ast.walk(method) if isinstance(node, ast.List)]
    return [named(each) for each in order.elts]


def named(layer: ast.expr) -> str:
    """`retry` of `self.retry.layer`, `trace` of `trace(...)`, `Permit` of `Permit(...).check`."""
    words = [node for node in (layer, *reached(layer)) if isinstance(node, ast.Name | ast.Attribute)]
    texts = [node.attr if isinstance(node, ast.Attribute) else node.id for node in words]
    return next(text.lstrip("_") for text in texts if text not in ("layer", "check", "refuse", "self"))


def reached(layer: ast.expr) -> Sequence[ast.expr]:
    """What a layer is reached through, from the outside in."""
    if isinstance(layer, ast.Call):
        return [layer.func, *reached(layer.func)]
    return [layer.value, *reached(layer.value)] if isinstance(layer, ast.Attribute) else []


@pytest.mark.parametrize(
    ("name", "order"),
    [
        (
            "incoming",
            (
                "trace traffic account outliving envelopes auth returning stopping Permit draining giving_way "
                "LimitLayer changes"
            ),
        ),
        (
            "outgoing",
            (
                "resolve Joining resumable chosen track check_again budgeted idempotent cached retry Hedge balance "
                "guard spanned"
            ),
        ),
        ("arriving", "resolve track check_again budgeted here guard spanned"),
    ],
)
def test_the_layers_stand_in_this_order(name: str, order: str) -> None:
    """Each line of `layers.py` says why it stands where it stands."""
    assert listed(name) == order.split()
