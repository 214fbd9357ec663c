"""Failures that keep a node from starting."""

from __future__ import annotations

from a2a_node.model.errors.base import MeshError


class SettingInvalid(MeshError):
    """A setting of the node is wrong; it does not start."""

    code, reason = "INVALID_ARGUMENT", "SETTING_INVALID"

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"setting {setting}: {problem}", setting=setting, problem=problem)


class DataDirectoryBusy(MeshError):
    """Another node runs on the data directory."""

    code, reason = "FAILED_PRECONDITION", "DATA_DIRECTORY_BUSY"

    def __init__(self, directory: object, pid: object) -> None:
        super().__init__(
            f"process {pid} already runs a node on {directory}; stop it, or choose another with --data-dir",
            directory=directory,
            pid=pid,
        )


class StoreStartFailed(MeshError):
    """An embedded store did not start."""

    code, reason = "INTERNAL", "STORE_START_FAILED"

    def __init__(self, store: str, problem: str) -> None:
        super().__init__(
            f"the embedded {store} did not start: {problem}; `a2a-node serve` runs on stores of your own",
            store=store,
            problem=problem,
        )


class SchemaUnknown(MeshError):
    """The database has been migrated by newer software."""

    code, reason = "FAILED_PRECONDITION", "SCHEMA_UNKNOWN"

    def __init__(self, found: str, newest: str) -> None:
        super().__init__(
            f"the database's schema {found!r} is newer than {newest!r}, the newest known here; upgrade a2a-node",
            found=found,
            newest=newest,
        )
