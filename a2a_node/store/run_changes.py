"""What an executor says of steps, as the parameters of one statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from a2a_node.model.runs import RunChange, RunStep, StepChange
from a2a_node.store.run_json import (
    MOST_ATTEMPTS,
    StepJson,
    approval_json,
    attempt_json,
    dumped,
    error_json,
    items_json,
    kept_inline,
)

INPUT, OUTPUT = -1, -2  # parts of a step's data that are no items


def parameters(executor: str, run_id: str, steps: Sequence[StepChange], run: RunChange | None) -> Mapping[str, object]:
    """All that one change says."""
    stood: dict[str, dict[str, object]] = {}
    told: list[dict[str, object]] = []
    parts: dict[tuple[str, int], str] = {}
    for change in steps:
        if change.progress is None:
            stood[change.step.id] = stood.get(change.step.id, {}) | _step(change.step, parts)
        else:
            told.append({"id": change.step.id, "progress": change.progress})
        parts |= {(change.step.id, index): dumped(output) for index, output in change.items.items()}
    said = [*({"id": name, "step": step} for name, step in stood.items()), *told]
    return {
        "executor": executor,
        "run": run_id,
        "steps": dumped(said).replace("\\u0000", "\\ufffd"),
        "data_steps": [step for step, _ in parts],
        "data_parts": [part for _, part in parts],
        "data_values": list(parts.values()),
        "status": run.status.value if run else "",
        "output": dumped(run.output) if run and run.output is not None else None,
        "error": dumped(error_json(run.error)) if run and run.error is not None else None,
    }


def _step(step: RunStep, parts: dict[tuple[str, int], str]) -> dict[str, object]:
    said: StepJson = {
        "status": step.status.value,
        "error": error_json(step.error),
        "attempts": [attempt_json(one) for one in step.attempts[-MOST_ATTEMPTS:]],
    }
    if step.items is not None:
        said["items"] = items_json(step.items)
    if step.approval is not None:
        said["approval"] = approval_json(step.approval)
    given = {"agent": step.agent, "capability": step.capability, "child_run_id": step.child_run_id}
    named = {name: value for name, value in given.items() if value} | (
        {"compensated": True} if step.compensated else {}
    )
    return {**said, **named, **dict(_values(step, parts))}


def _values(step: RunStep, parts: dict[tuple[str, int], str]) -> Iterator[tuple[str, object]]:
    """What it was given and made: here where it is small, else apart."""
    for name, part, value in (("input", INPUT, step.input), ("output", OUTPUT, step.output)):
        if value is not None:
            text = dumped(value)
            inline = kept_inline(text)
            yield name, value if inline else None
            yield f"{name}_omitted", not inline
            if not inline:
                parts[step.id, part] = text
