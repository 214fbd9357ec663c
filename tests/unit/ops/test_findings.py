"""What a look answers, however much it has found."""

from __future__ import annotations

from a2a_node.ops.findings import MOST_BYTES, MOST_FINDINGS, Finding, Place, Severity, Skipped, fingerprint, scan_of


def found(number: int, severity: Severity = "low", message: str = "m") -> Finding:
    """One of many."""
    print_ = fingerprint(str(number))
    return Finding(rule="r", severity=severity, place=Place(path="p"), message=message, fingerprint=print_)


def test_the_worst_come_first_and_all_are_counted() -> None:
    """The same thing once."""
    many = [found(number) for number in range(MOST_FINDINGS)] + [found(-1, "critical"), found(0)]
    scan = scan_of(many, [], fail_at="critical")
    assert (scan.passed, scan.findings[0].severity, len(scan.findings), scan.left_out) == (
        False,
        "critical",
        MOST_FINDINGS,
        1,
    )
    assert scan.counts == {"critical": 1, "high": 0, "medium": 0, "low": MOST_FINDINGS, "info": 0}


def test_an_answer_is_small_whatever_was_found() -> None:
    """Several of them fit into the input of the step that reports them."""
    skipped = [Skipped(path="p" * 4_000, why="w" * 4_000)] * 1_000
    scan = scan_of([found(number, message="m" * 1_000) for number in range(600)], skipped, fail_at="high")
    assert 0 < len(scan.findings) < MOST_FINDINGS
    assert len(scan.findings) + scan.left_out == 600
    assert len(scan.model_dump_json()) < 2 * MOST_BYTES
