"""How bad a vulnerability is: the base score of a CVSS 3 vector, by the formulas of its specification."""

from __future__ import annotations

from collections.abc import Mapping

from a2a_node.ops.findings import Severity

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
PRIVILEGES: Mapping[str, Mapping[str, float]] = {
    "U": {"N": 0.85, "L": 0.62, "H": 0.27},
    "C": {"N": 0.85, "L": 0.68, "H": 0.5},
}
STEPS: tuple[tuple[float, Severity], ...] = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def base_score(vector: str) -> float | None:
    """The score from 0.0 to 10.0; None for what is no vector of CVSS 3."""
    if not vector.startswith("CVSS:3"):
        return None
    said = dict(part.partition(":")[::2] for part in vector.split("/")[1:])
    try:
        weight = {name: values[said[name]] for name, values in WEIGHTS.items()}
        privileges = PRIVILEGES[said["S"]][said["PR"]]
    except KeyError:
        return None
    lost = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    changed = said["S"] == "C"
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    ease = 8.22 * weight["AV"] * weight["AC"] * privileges * weight["UI"]
    return _rounded_up(min((1.08 if changed else 1.0) * (impact + ease), 10.0))


def severity_of(score: float) -> Severity:
    """The word for a score."""
    return next((word for least, word in STEPS if score >= least), "info")


def _rounded_up(score: float) -> float:
    """Up to one decimal, in whole numbers: that is how the specification avoids errors of floating point."""
    whole = round(score * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
