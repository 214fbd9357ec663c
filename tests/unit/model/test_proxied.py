"""The form of the methods that are passed through."""

from __future__ import annotations

import pytest

from a2a_node.model.proxied import LONGEST, is_method


@pytest.mark.parametrize("name", ["orders.v1.Orders/Place", "Orders/place", "a-b.c_d/E.f", "a/" + "m" * (LONGEST - 2)])
def test_a_method_has_a_service_and_a_name(name: str) -> None:
    """With or without a package."""
    assert is_method(name)


@pytest.mark.parametrize(
    "name", ["", "orders", "/Orders/Place", "a/b/c", "a/", "/b", "a b/c", "ä/b", "a/b\n", "a/" + "m" * LONGEST]
)
def test_anything_else_is_none(name: str) -> None:
    """So that names of services and capabilities are never taken for it."""
    assert not is_method(name)
