"""What ops agents cannot do: leave the workspace, run what is not allowed, go on for ever."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput, SettingInvalid
from a2a_node.ops.programs import Programs
from a2a_node.ops.workplace import Limits, Workplace
from tests.unit.ops.places import workplace

LEAVES = (
    "/etc/passwd",
    "../x",
    "a/../../x",
    "~/x",
    "",
    "a\0b",
    "a\nb",
    "..",
    "a\\b",
    "x" * 1_001,
    ".a2a/home",
    "\udce9",
)
ORPHANS = """
import os, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
time.sleep(float(sys.argv[2]))
"""


def script(place: Workplace, text: str) -> str:
    """A program in the workspace."""
    (place.root / "script.py").write_text(text, encoding="utf-8")
    return "script.py"


def lives(process: int) -> bool:
    """Whether there is such a process, one that has ended and was not yet collected aside."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(done: Callable[[], bool]) -> None:
    """Wait for something that other processes do."""
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - they set no event
            await asyncio.sleep(0.02)


def number(file: Path) -> int:
    """What a process wrote."""
    return int(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", LEAVES, ids=range(len(LEAVES)))
async def test_no_path_leaves_the_workspace(tmp_path: Path, text: str) -> None:
    """However it is written; and the message names the field."""
    place = workplace(tmp_path)
    with pytest.raises(InvalidInput, match=r"input\.path"):
        place.path("input.path", text)
    with pytest.raises(InvalidInput, match=r"input\.path"):
        await place.read("input.path", text, 10)
    with pytest.raises(InvalidInput, match=r"input\.path"):
        await place.write("input.path", text, b"x")


async def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Neither a link that is the file, nor one on the way to it, nor a circle."""
    place = workplace(tmp_path)
    (tmp_path / "secret").write_text("s", encoding="utf-8")
    (place.root / "out").symlink_to(tmp_path)
    (place.root / "file").symlink_to(tmp_path / "secret")
    (place.root / "circle").symlink_to("circle")
    for text in ("out/secret", "file"):
        with pytest.raises(InvalidInput, match="leaves the workspace"):
            place.path("f", text)
    with pytest.raises(InvalidInput):
        place.path("f", "circle")
    for text in ("out/secret", "file", "circle"):
        with pytest.raises(InvalidInput, match="without links"):
            await place.read("f", text, 10)
    for text in ("out/new", "out/deep/new"):
        with pytest.raises(InvalidInput, match="without links"):
            await place.write("f", text, b"x")
    await place.write("f", "file", b"mine")  # the link is replaced, and what it led to stays
    assert (tmp_path / "secret").read_text(encoding="utf-8") == "s"
    assert await place.read("f", "file", 10) == b"mine"


async def test_files_are_read_and_written_within_limits(tmp_path: Path) -> None:
    """Folders are made, pipes and folders are no files, and too much is refused before it is read."""
    place = workplace(tmp_path, Limits(workspace_bytes=100))
    await place.write("f", "a/b/c.txt", b"12345")
    assert await place.read("f", "a/b/c.txt", 5) == b"12345"
    assert place.told(place.path("f", "a/./b")) == "a/b"
    os.mkfifo(place.root / "pipe")
    for text, why in (("a/b/c.txt", "the limit is 4"), ("pipe", "no plain file"), ("a", "Is a directory")):
        with pytest.raises(InvalidInput, match=why):
            await place.read("f", text, 4)
    with pytest.raises(AgentRefused, match="limit") as full:
        await place.write("f", "big", b"x" * 100)
    assert full.value.reason == "WORKSPACE_FULL"


def test_only_programs_of_the_list_are_found() -> None:
    """Each by an absolute path, once; what is not there is told apart from what is not allowed."""
    programs = Programs.of(("python", "sh=/bin/sh", "no-such-program"))
    assert programs.path("python") == Path(sys.executable)
    assert programs.path("sh") == Path("/bin/sh")
    for name, reason in (("no-such-program", "COMMAND_NOT_FOUND"), ("rm", "COMMAND_NOT_ALLOWED")):
        with pytest.raises(AgentRefused) as refused:
            programs.path(name)
        assert refused.value.reason == reason
    for wrong in ("sh=bin/sh", "sh=/no/such/file", "../sh", ""):
        with pytest.raises(SettingInvalid):
            Programs.of((wrong,))


@pytest.mark.parametrize("name", ["rm", "/bin/sh", "python;ls", "../python"])
async def test_a_command_that_is_not_allowed_is_not_run(tmp_path: Path, name: str) -> None:
    """Nor is one by its path, nor by a trick of a shell."""
    with pytest.raises(AgentRefused) as refused:
        await workplace(tmp_path).run([name, "-rf", "."])
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "COMMAND_NOT_ALLOWED")


async def test_a_command_knows_nothing_of_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is made anew, nobody types for it, and its exit code is told."""
    monkeypatch.setenv("A2A_SECRET", "hidden")
    place = workplace(tmp_path)
    done = await place.run(
        ["python", script(place, "import os, sys; print(sorted(os.environ)); print(sys.stdin.read()); sys.exit(3)")],
        environment={"EXTRA": "1"},
    )
    assert done.code == 3
    assert "hidden" not in done.output
    assert "'EXTRA', 'HOME', 'LANG'" in done.output
    assert list((place.root / ".a2a" / "run").iterdir()) == []
    assert (await place.run(["python", script(place, "import os; os.kill(os.getpid(), 9)")])).code == 137


async def test_a_flood_of_output_is_cut_with_a_mark(tmp_path: Path) -> None:
    """Its beginning and its end are kept, and the program is not held up."""
    place, mark = workplace(tmp_path, Limits(output_bytes=100)), "\n[... 4,999,909 bytes were left out here ...]\n"
    done = await place.run(["python", script(place, "print('begin' + 'x' * 5_000_000 + 'end')")])
    assert (done.code, done.cut, len(done.output)) == (0, True, 100 + len(mark))
    assert done.output.startswith("begin")
    assert done.output.endswith("end\n")
    assert mark in done.output


@pytest.mark.parametrize("how", ["time", "cancel", "end"])
async def test_all_that_a_command_started_ends_with_it(tmp_path: Path, how: str) -> None:
    """Grandchildren with sessions of their own, too: at the limit of time, when cancelled, and when it has ended."""
    place = workplace(tmp_path)
    argv = ["python", script(place, ORPHANS), "orphan", "0.3" if how == "end" else "600"]
    running = asyncio.create_task(place.run(argv, seconds=1.0 if how == "time" else 60))
    orphan = place.root / "orphan"
    await until(lambda: orphan.exists() and bool(orphan.read_text(encoding="utf-8")))
    if how == "cancel":
        assert lives(number(orphan))
        running.cancel()
    outcome = (await asyncio.gather(running, return_exceptions=True))[0]
    assert not lives(number(orphan))
    if how == "time":
        assert isinstance(outcome, AgentRefused)
        assert outcome.reason == "COMMAND_TIMED_OUT"


async def test_all_ends_with_a_node_that_is_killed(tmp_path: Path) -> None:
    """Nobody is left to end it, so the guard does."""
    place = workplace(tmp_path)
    node = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.unit.ops.places import workplace\n"
        f"asyncio.run(workplace(Path(sys.argv[1])).run(['python', {script(place, ORPHANS)!r}, 'orphan', '600']))",
        str(tmp_path),
    )
    orphan = place.root / "orphan"
    await until(lambda: orphan.exists() and bool(orphan.read_text(encoding="utf-8")))
    node.kill()
    await node.wait()
    await until(lambda: not lives(number(orphan)))


async def test_a_command_writes_in_the_workspace_only(tmp_path: Path) -> None:
    """Where the kernel can hold it: neither beside it nor by a link; what looks into others is not held."""
    place = workplace(tmp_path)
    (place.root / "link").symlink_to(tmp_path / "by-link")
    tries = "\n".join(
        f"try:\n    open({name!r}, 'w').write('x')\nexcept OSError as error:\n    print('no')"
        for name in (str(tmp_path / "beside"), "link", "here", "/dev/null")
    )
    free = await place.run(["python", script(place, tries)], confined=False)
    assert free.output == ""
    held = await place.run(["python", "script.py"])
    if held.output:  # a kernel without Landlock holds nobody
        assert held.output == "no\nno\n"
    assert (place.root / "here").read_text(encoding="utf-8") == "x"


async def test_a_command_does_not_read_the_keys_of_the_node(tmp_path: Path) -> None:
    """They lie in its data directory, as the workspace may; what lies beside it can be read."""
    data = tmp_path / "data"
    place = Workplace(data / "workspace", Programs.of(("python",)), hidden=data)
    (data / "dev.key").write_text("secret", encoding="utf-8")
    (tmp_path / "link").symlink_to(data)
    (tmp_path / "beside").write_text("beside", encoding="utf-8")
    (place.root / "mine").write_text("mine", encoding="utf-8")
    tries = "\n".join(
        f"try:\n    print(open({str(name)!r}).read())\nexcept OSError:\n    print('no')"
        for name in (data / "dev.key", tmp_path / "link/dev.key", tmp_path / "beside", "mine")
    )
    done = await place.run(["python", script(place, tries)])
    free = await place.run(["python", "script.py"], confined=False)
    assert free.output == "secret\nsecret\nbeside\nmine\n", free.errors
    if done.output != free.output:  # a kernel without Landlock holds nobody
        assert done.output == "no\nno\nbeside\nmine\n", done.errors
        spy = await place.run(["python", script(place, f"open('/proc/{os.getpid()}/environ').read()")])
        assert "PermissionError" in spy.errors


async def test_a_command_cannot_fill_the_disk(tmp_path: Path) -> None:
    """One file ends at what is left; many files are noticed, and the next command is refused."""
    place = workplace(tmp_path, Limits(workspace_bytes=100_000))
    done = await place.run(["python", script(place, "open('big', 'wb').write(bytes(200_000))")])
    assert done.code != 0
    many = "import time\nfor i in range(3): open(str(i), 'wb').write(bytes(90_000))\ntime.sleep(600)"
    (place.root / "big").unlink()
    began = time.monotonic()
    with pytest.raises(AgentRefused, match="prune"):
        await place.run(["python", script(place, many)])
    assert time.monotonic() - began < 60
    with pytest.raises(AgentRefused, match="prune"):
        await place.run(["python", "script.py"])


async def test_commands_take_turns(tmp_path: Path) -> None:
    """At most so many at a time; the others wait."""
    place = workplace(tmp_path, Limits(commands=1))
    count = "import os, sys, time\nos.mkdir('busy')\ntime.sleep(0.1)\nos.rmdir('busy')"
    argv = ["python", script(place, count)]
    assert [done.code for done in await asyncio.gather(*(place.run(argv) for _ in range(3)))] == [0, 0, 0]
