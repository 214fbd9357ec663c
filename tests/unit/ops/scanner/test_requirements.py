"""Requirements files, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.scanner.requirements import MOST_BYTES, Pins

TEXT = """
# a comment
Flask==2.0 --hash=sha256:00  # why
typing.extensions == 4.0 \\
    --hash=sha256:11 \\
    --hash=sha256:22
django===3.2 ; python_version < "3"
numpy==1.*
scipy>=1
-r more.txt
--index-url https://index.invalid/simple
-e ./here
what is this
"""


def test_pins_are_read_with_their_lines(tmp_path: Path) -> None:
    """With hashes, markers, lines that go on, and files that include one another in a circle."""
    (tmp_path / "r.txt").write_text(TEXT)
    (tmp_path / "more.txt").write_text("-r r.txt\nattrs==23.1\n")
    pins = Pins(tmp_path)
    pins.read(tmp_path / "r.txt")
    read = [(pin.name, str(pin.version), f"{pin.place.path}:{pin.place.line}") for pin in pins.found]
    assert read == [
        ("flask", "2.0", "r.txt:3"),
        ("typing-extensions", "4.0", "r.txt:4"),
        ("django", "3.2", "r.txt:7"),
        ("attrs", "23.1", "more.txt:2"),
    ]
    assert [skipped.path for skipped in pins.skipped] == ["r.txt:8", "r.txt:9", "r.txt:12", "r.txt:13"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("gone.txt", None, "not there"), ("r.txt", "-r ../x.txt", "outside"), ("r.txt", "#" * (MOST_BYTES + 1), "bytes")],
    ids=["gone", "outside", "long"],
)
def test_files_that_cannot_be_read_are_refused(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    """With what is wrong."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=words):
        Pins(tmp_path).read(tmp_path / name)
