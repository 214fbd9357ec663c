"""Names that are made up: random, in their form, and never twice."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from a2a_node.model.names import fresh_bits, fresh_uuid


def test_a_fresh_uuid_is_a_random_one() -> None:
    """Version 4 of RFC 9562, in the form that UUID writes."""
    for _ in range(300):
        made = UUID(fresh_uuid())
        assert (made.version, made.variant) == (4, "specified in RFC 4122")
        assert str(made) == str(made).lower()


def test_no_bits_are_given_out_twice() -> None:
    """Whoever asks, from whichever thread."""
    with ThreadPoolExecutor(8) as threads:
        made = [
            bits for several in threads.map(lambda _: [fresh_bits() for _ in range(500)], range(16)) for bits in several
        ]
    assert len(set(made)) == len(made) == 8000
    assert {len(bits) for bits in made} == {16}


FORKS = """
import os
from a2a_node.model.names import fresh_bits
fresh_bits()
reading, writing = os.pipe()
child = os.fork()
if not child:
    os.write(writing, fresh_bits())
    os._exit(0)
os.waitpid(child, 0)
assert os.read(reading, 16) not in {fresh_bits() for _ in range(300)}
"""


def test_a_forked_process_has_bits_of_its_own() -> None:
    """What was asked for in advance is the parent's alone."""
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=60)
