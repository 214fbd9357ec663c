"""What ids of calls tell of the nodes that made them."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.call_ids import CallIds, is_of
from a2a_node.model.names import checked_uuid, fresh_uuid


def test_an_id_is_a_uuid_and_comes_once() -> None:
    """Of version 8 and the usual variant, in canonical form."""
    ids = CallIds("n1")
    made = [ids.fresh() for _ in range(1000)]
    assert len({*made}) == 1000
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(8, UUID(fresh_uuid()).variant)}
    assert [checked_uuid("id", one) for one in made] == made


def test_it_names_its_node_and_its_process() -> None:
    """A node knows the ids of its earlier processes from its own."""
    before, after = CallIds("n1"), CallIds("n1")
    while before.fresh()[:13] == after.fresh()[:13]:  # one in 65,536
        after = CallIds("n1")
    made = before.fresh()
    assert (is_of(made, "n1"), is_of(made, "n2")) == (True, False)
    assert (before.outlived(made), after.outlived(made), CallIds("n2").outlived(made)) == (False, True, False)


@given(st.uuids(version=4))
def test_another_uuid_is_nobodys(chosen: UUID) -> None:
    """Whatever a client has chosen."""
    assert not is_of(str(chosen), "n1")
    assert not CallIds("n1").outlived(str(chosen))
