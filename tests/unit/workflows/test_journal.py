"""What becomes of changes on their way into the record."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.runs import RunChange, RunStatus, RunStep, StepChange, StepStatus, Wishes
from a2a_node.workflows.journal import Journal
from tests.unit.virtual import in_no_time

RUNNING, COMPLETED = StepStatus.RUNNING, StepStatus.COMPLETED


class Book:
    """What was written, transaction by transaction."""

    def __init__(self) -> None:
        self.written: list[tuple[list[StepChange], RunStatus | None]] = []
        self.wishes = Wishes()
        self.heard: list[Wishes] = []

    async def write(self, run_id: str, steps: Sequence[StepChange], run: RunChange | None) -> Wishes:
        """Remember it."""
        assert run_id == "r1"
        self.written.append(([*steps], run.status if run else None))
        return self.wishes

    async def hear(self, wishes: Wishes) -> None:
        """What the journal says of it."""
        self.heard.append(wishes)


def test_the_beginning_of_a_short_step_is_recorded_with_its_end() -> None:
    """With what it was given and made, items among it, and the run's own change."""

    async def scenario() -> None:
        book = Book()
        async with Journal(book.write, "r1", book.hear) as journal:
            begun = StepChange(RunStep("a", RUNNING, input={"x": 1}), items={0: "one"})
            journal.tell(begun, lazily=True)
            journal.tell(RunChange(RunStatus.RUNNING), lazily=True)
            await journal.tell(StepChange(RunStep("a", COMPLETED, output="y"), items={1: "two"}))
        whole = StepChange(RunStep("a", COMPLETED, input={"x": 1}, output="y"), items={0: "one", 1: "two"})
        assert book.written == [([whole], RunStatus.RUNNING)]

    in_no_time(scenario())


def test_the_beginning_of_a_long_step_is_recorded_soon() -> None:
    """Though nobody waits for it."""

    async def scenario() -> None:
        book = Book()
        async with Journal(book.write, "r1", book.hear) as journal:
            await journal.tell(StepChange(RunStep("a", RUNNING)), lazily=True)
            assert len(book.written) == 1

    in_no_time(scenario())


def test_what_an_agent_says_is_told_before_its_step_ends() -> None:
    """All of it, in order."""

    async def scenario() -> None:
        book = Book()
        begun, ended = RunStep("a", RUNNING), StepChange(RunStep("a", COMPLETED))
        said = [StepChange(begun, progress=number) for number in range(3)]
        async with Journal(book.write, "r1", book.hear) as journal:
            for change in (StepChange(begun), *said):
                journal.tell(change)
            await journal.tell(ended)
        assert book.written == [([StepChange(begun), *said], None), ([ended], None)]

    in_no_time(scenario())


def test_what_people_want_is_heard_before_a_step_counts_as_ended() -> None:
    """So that nothing begins that they forbid."""

    async def scenario() -> None:
        book = Book()
        async with Journal(book.write, "r1", book.hear) as journal:
            book.wishes = Wishes(pausing=True)
            await journal.tell(StepChange(RunStep("a", COMPLETED)))
            assert book.heard == [Wishes(pausing=True)]
            await journal.tell(RunChange(RunStatus.COMPLETED))
        assert len(book.heard) == 1

    in_no_time(scenario())
