"""Where a node's spans go, from its settings."""

from __future__ import annotations

import pytest

from a2a_node.model.errors import SettingInvalid
from a2a_node.node.traces import export_of
from a2a_node.settings import Settings


def test_the_settings_say_where_to_and_how_many() -> None:
    """With what the node says of itself, as far as there is anything to say."""
    export = export_of(
        Settings.model_validate(
            {
                "trace_endpoint": "https://traces:4318",
                "trace_protocol": "http",
                "trace_sampler": 0.25,
                "trace_headers": "X-Key=a%20b, tenant = 7 ",
                "zone": "a",
            }
        ),
        "n1",
    )
    assert (export.endpoint, export.protocol, export.ratio) == ("https://traces:4318", "http", 0.25)
    assert export.headers == {"x-key": "a b", "tenant": "7"}
    assert {name for name, _ in export.about.items()} == {
        "service.instance.id",
        "service.version",
        "cloud.availability_zone",
    }
    assert "a b" not in repr(export)


@pytest.mark.parametrize("text", ["hush", "=hush", "a=b,hush"])
def test_headers_that_are_none_are_not_quoted(text: str) -> None:
    """They may hold a key."""
    with pytest.raises(SettingInvalid) as refused:
        export_of(Settings.model_validate({"trace_headers": text}), "n1")
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None
