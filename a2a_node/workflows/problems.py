"""What is wrong with a source, collected as it is found and told in the order of the source, all at once."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.workflows import MOST_PROBLEMS, Problem, Severity
from a2a_node.workflows.source import Path, Source

STEPS = "steps"


class Problems:
    """The problems of one source, at most MOST_PROBLEMS of them; errors are never given up for warnings."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: dict[Problem, None] = {}  # each once, in the order found
        for place, message in source.faults:
            self._keep(Problem("bad-source", message, place.line, place.column))

    @property
    def errors(self) -> bool:
        """Whether there is an error among them."""
        return any(problem.severity is Severity.ERROR for problem in self._found)

    def error(self, path: Path, rule: str, message: str, characters: int = 0) -> None:
        """Something at a path is wrong, so many characters after its beginning."""
        self._add(path, rule, message, characters, Severity.ERROR)

    def warn(self, path: Path, rule: str, message: str, characters: int = 0) -> None:
        """Something at a path may not be what is meant."""
        self._add(path, rule, message, characters, Severity.WARNING)

    def told(self) -> Sequence[Problem]:
        """All of them, in the order of the source."""
        return sorted(self._found, key=lambda problem: (problem.line, problem.column))

    def _add(self, path: Path, rule: str, message: str, characters: int, severity: Severity) -> None:
        place = self._source.place(path).after(characters)
        step = str(path[1]) if path[:1] == (STEPS,) and len(path) > 1 else ""
        self._keep(Problem(rule, message, place.line, place.column, step, severity))

    def _keep(self, problem: Problem) -> None:
        if len(self._found) >= MOST_PROBLEMS:
            last = next((one for one in reversed(self._found) if one.severity is Severity.WARNING), None)
            if last is None or problem.severity is Severity.WARNING:
                return
            del self._found[last]
        self._found[problem] = None
