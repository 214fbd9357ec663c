"""Write the document: `python -m a2a_node.web.api.document CONTRACT.binpb JSON YAML`, as `make gen` does.

The contract is a set of descriptors with their comments. Both files say the same: a node shows the one, people and
generators of clients read the other.
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from a2a_node.web.api.document.building import Contract, document
from a2a_node.web.api.document.comments import told_by

PACKAGE = "a2amesh.v1"


def read(contract: Path) -> Contract:
    """The RPCs of all services, and the comments."""
    files, pool = FileDescriptorSet.FromString(contract.read_bytes()), DescriptorPool()
    for file in files.file:
        pool.Add(file)
    services = [
        pool.FindServiceByName(f"{PACKAGE}.{service.name}")
        for file in files.file
        if file.package == PACKAGE
        for service in file.service
    ]
    methods = {f"/{service.full_name}/{method.name}": method for service in services for method in service.methods}
    return Contract(methods, told_by(files))


def main(contract: str, json_file: str, yaml_file: str) -> None:
    """Write both files."""
    made = document(read(Path(contract)))
    Path(json_file).write_bytes(orjson.dumps(made) + b"\n")
    _Plain.add_representer(str, _text)
    text = yaml.dump(made, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=130)
    head = "# Made from protos/ by `make gen`; `make check` compares it.\n"
    Path(yaml_file).write_text(head + text, encoding="utf-8")


class _Plain(yaml.SafeDumper):
    """Without anchors, which some readers do not know."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - of yaml's
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
