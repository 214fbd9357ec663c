"""What deploys the node names settings that there are, files that there are, and ports that the node listens on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from a2a_node.cli.settings import setting_options, settings_of, variable
from a2a_node.settings import Settings

HOUSE = Path(__file__).parents[2]
DEPLOY = HOUSE / "deploy"
OURS = re.compile(r"\bA2A_[A-Z_]+\b")
OF_CLIENTS = {"A2A_TLS_CA", "A2A_DRAIN"}  # read by clients; and a setting that comments name
KNOWN = {variable(option.name) for option in setting_options()} | OF_CLIENTS


def deployed() -> Sequence[Path]:
    """Every file that says how a node is run."""
    return [file for file in sorted(DEPLOY.rglob("*")) if file.is_file() and "secrets" not in file.parts]


@pytest.mark.parametrize("file", deployed(), ids=lambda file: file.relative_to(DEPLOY).as_posix())
def test_every_variable_is_a_setting(file: Path) -> None:
    """A misspelt one would be ignored in silence."""
    assert set(OURS.findall(file.read_text())) <= KNOWN


def environment(name: str) -> Mapping[str, str]:
    """The variables of Kubernetes or of compose."""
    if name == "kubernetes":
        lines = (DEPLOY / "kubernetes" / "node.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    settings: Mapping[str, str] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]["one"][
        "environment"
    ]
    return settings


@pytest.mark.parametrize("where", ["kubernetes", "compose"])
def test_the_settings_are_accepted_and_their_secrets_found(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand, with the mounted secrets elsewhere."""
    for name, value in environment(where).items():
        place = str(value).removeprefix("file:")
        if place != value:
            (tmp_path / Path(place).name).write_text(f"kept-{Path(place).name}\n")
        monkeypatch.setenv(name, f"file:{tmp_path / Path(place).name}" if place != value else str(value))
    settings = settings_of({})
    assert settings.postgres_url.get_secret_value() == "kept-postgres_url"
    assert settings.mesh_passphrase.get_secret_value() == "kept-mesh_passphrase"
    assert settings.tls_cert is not None, "clients are met by TLS"


def test_what_is_the_operators_own_comes_after_the_base() -> None:
    """From a ConfigMap that need not be there, so that what it says holds."""
    first, second = (source["configMapRef"] for source in container("deployment")["envFrom"])
    assert (first["name"], first.get("optional", False)) == ("a2a-node", False)
    assert (second["name"], second["optional"]) == ("a2a-node-site", True)
    page = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    assert f"create configmap {second['name']}" in page


def container(name: str) -> Mapping[str, Any]:
    """The one container of a manifest of Kubernetes."""
    manifest = yaml.safe_load((DEPLOY / "kubernetes" / f"{name}.yaml").read_text())
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_pods_listen_where_the_settings_say() -> None:
    """And probes ask at the port that answers them."""
    node, told = container("deployment"), environment("kubernetes")
    ports = {port["name"]: port["containerPort"] for port in node["ports"]}
    settings = Settings.model_construct()
    assert ports["health"] == int(told["A2A_HEALTH_PORT"])
    assert (ports["grpc"], ports["peers"], ports["http"]) == (
        settings.grpc_port,
        settings.peer_port,
        settings.http_port,
    )
    probes = [node[probe]["grpc"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert probes == [ports["health"]] * 3


@pytest.mark.parametrize("name", ["deployment", "migration"])
def test_no_container_may_write_but_to_its_volumes_or_be_root(name: str) -> None:
    """What the namespace enforces, and more."""
    secured = container(name)["securityContext"]
    assert secured == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_manifest_is_applied() -> None:
    """None lies beside the list."""
    listed = set(yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"])
    assert listed == {file.name for file in (DEPLOY / "kubernetes").glob("*.yaml")} - {"kustomization.yaml"}


def test_what_is_mounted_and_copied_is_there() -> None:
    """Of compose and of the image."""
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"].values()
    mounts = [mount.split(":")[0] for service in services for mount in service.get("volumes", ())]
    assert all((DEPLOY / "compose" / mount).exists() for mount in mounts if mount.startswith("."))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    allowed = (HOUSE / ".dockerignore").read_text().split()
    for name in " ".join(copied).split():
        assert (HOUSE / name).exists()
        assert f"!{name}" in allowed


def test_hooks_run_what_ci_checks() -> None:
    """Every target of `make check`, so that what is committed passes there."""
    check = re.search(r"^check: (.+)$", (DEPLOY.parent / "Makefile").read_text(), flags=re.MULTILINE)
    assert check is not None
    (local,) = yaml.safe_load((DEPLOY.parent / ".pre-commit-config.yaml").read_text())["repos"]
    run = {word for hook in local["hooks"] for word in hook["entry"].split()}
    assert set(check[1].split()) <= run
