"""What a log must not say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.cli.discretion import frames, masked

SECRETS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=20, max_size=60)


@given(SECRETS)
def test_what_looks_like_a_secret_is_masked(secret: str) -> None:
    """Wherever it stands in a line; what stands around it is told."""
    for line, shown in (
        (f"the key a2a_dev12ab_{secret} is wrong", "a2a_dev12ab_***"),
        (f'{{"authorization":"Bearer {secret}"}}', 'Bearer ***"'),
        (f"authorization: basic {secret}, more", "basic ***, more"),
        (f"no connection to postgresql://user:{secret}@db:5432/mesh", "postgresql://user:***@db:5432/mesh"),
        (f"redis://:{secret}@cache:6379/0", "redis://:***@cache:6379/0"),
        (f"token eyJhbGciOiJFZERTQSJ9.{secret}.{secret} ended", "eyJ*** ended"),
    ):
        assert secret not in masked(line)
        assert shown in masked(line)


def test_a_call_token_is_masked_and_a_call_id_is_not() -> None:
    """The id is what people look for."""
    call = "0c5ef9ac-1234-4000-8000-000000000000"
    assert masked(f"{call}.{'ab' * 16}") == f"{call}.***"
    assert masked(f"call {call} ended") == f"call {call} ended"


@pytest.mark.parametrize("line", ["http://127.0.0.1:8080/metrics", "12:30:45 a2a_agents_total", "a bearer of news"])
def test_other_lines_are_left_alone(line: str) -> None:
    """As far as they hold nothing that looks like one."""
    assert masked(line) == line.replace("bearer of", "bearer ***")


def test_an_exception_is_told_by_its_class_and_where_it_came_through() -> None:
    """With its causes, and without a word of what any of them says."""
    try:
        try:
            raise KeyError("payload")  # noqa: TRY301 - what is raised is what is tested
        except KeyError as cause:
            raise ExceptionGroup("payload", [ValueError("payload")]) from cause
    except ExceptionGroup as error:
        text = frames((type(error), error, error.__traceback__))
    lines = text.splitlines()
    assert lines[0] == "builtins.KeyError"
    assert lines[2] == "builtins.ExceptionGroup"
    assert "in test_an_exception_is_told" in lines[1]
    assert lines[4] == "  of ValueError"
    assert "--log-texts" in lines[-1]
    assert "payload" not in text.replace("quote payloads", "")
