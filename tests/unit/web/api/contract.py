"""The RPCs of the contract, by their full names."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

FOLDER = Path(__file__).parents[4] / "generated" / "a2amesh" / "v1"


def _files() -> list[FileDescriptor]:
    names = sorted(file.stem for file in FOLDER.glob("*_service_pb2.py"))
    return [import_module(f"a2amesh.v1.{name}").DESCRIPTOR for name in names]


METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in _files()
    for service in file.services_by_name.values()
    for method in service.methods
}
