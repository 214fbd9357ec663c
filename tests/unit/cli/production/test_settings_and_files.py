"""What is decided from settings, and from the files that they name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from a2a_node.access.authority import fresh_authority
from a2a_node.cli.checks.finding import Finding, State
from a2a_node.cli.checks.production import certificates, doors, policy
from a2a_node.settings import Settings

TLS = {"tls_cert": "node.crt", "tls_key": "node.key"}
OPEN = {"host": "192.0.2.1", "insecure_bind": True, "insecure_bind_confirm": "192.0.2.1"}
STORES = {"postgres_url": "postgresql://db/mesh", "redis_url": "redis://cache"}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "good", "bad", "worst"),
    [
        ("tls-clients", TLS, OPEN, State.FAIL),
        ("tls-clients", TLS, {}, State.WARN),
        ("tls-http", TLS | {"http_tls": "on"}, {}, State.WARN),
        ("insecure-bind", {}, OPEN, State.FAIL),
        ("insecure-bind", {}, TLS | OPEN, State.WARN),
        ("open-reflection", {}, {"open_reflection": True}, State.FAIL),
        (
            "cors-origins",
            {"http_cors_origins": "https://a.example"},
            {"http_cors_origins": "http://a.example"},
            State.FAIL,
        ),
        ("own-stores", STORES, {"postgres_url": "postgresql://db/mesh"}, State.FAIL),
        ("mesh-passphrase", {"mesh_passphrase": "secret"}, {}, State.FAIL),
        ("administrators", {"administrators": "person:ada"}, {}, State.FAIL),
        ("echo-off", {"echo": False}, {}, State.FAIL),
        ("json-logs", {"json_logs": True}, {}, State.FAIL),
        ("access-log", {}, {"access_log": False}, State.FAIL),
        ("log-texts", {}, {"log_texts": True}, State.FAIL),
        ("audit-full", {}, {"audit_full": "drop"}, State.FAIL),
        ("traces", {"trace_endpoint": "http://127.0.0.1:4317"}, {}, State.FAIL),
        ("place-named", {"region": "eu", "zone": "a"}, {"region": "eu"}, State.FAIL),
        ("drain-time", {}, {"drain": 1}, State.WARN),
        ("workflow-engine", {}, {"workflows": False}, State.WARN),
    ],
)
def test_settings_for_production_are_told_from_others(
    name: str, good: Mapping[str, object], bad: Mapping[str, object], worst: State
) -> None:
    """Each by its own item; advice comes with what is not good, and no secret with any."""
    (check,) = [check for check in (*doors.CHECKS, *policy.CHECKS) if check.name == name]
    well, ill = (check(Settings.model_validate(settings)) for settings in (good, bad))
    assert (well.name, well.state, well.advice) == (name, State.OK, "")
    assert (ill.state, bool(ill.advice)) == (worst, True)
    assert "secret" not in well.message


def found(settings: Settings, now: datetime) -> Mapping[str, Finding]:
    """What the files of these settings mean at a time, by item."""
    files = certificates.read(settings, now)
    return {check.name: check(files) for check in certificates.CHECKS}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a node with a certificate for ninety days."""
    authority, _ = fresh_authority("tests")
    pair = authority.signed([x509.DNSName("node.example")], timedelta(days=90))
    named = {"tls_cert": tmp_path / "node.crt", "tls_key": tmp_path / "node.key"}
    named["tls_cert"].write_bytes(pair.certificate)
    named["tls_key"].write_bytes(pair.key)
    named["tls_key"].chmod(0o600)
    return Settings.model_validate(named | {"data_dir": tmp_path, "advertise_host": "node.example"})


def test_a_certificate_that_is_good_is_found_so(settings: Settings) -> None:
    """It holds, is for its key and its name, and nobody else reads its key."""
    assert {finding.state for finding in found(settings, datetime.now(UTC)).values()} == {State.OK}


def test_certificates_that_end_within_thirty_days_have_to_be_renewed(settings: Settings) -> None:
    """Those that have ended even more so."""
    soon, late = (datetime.now(UTC) + timedelta(days=days) for days in (61, 91))
    assert found(settings, soon)["certificate-expiry"].state == State.FAIL
    assert "-" in found(settings, late)["certificate-expiry"].message


@pytest.mark.parametrize(("mode", "state"), [(0o600, State.OK), (0o640, State.WARN), (0o644, State.FAIL)])
def test_private_keys_are_private(settings: Settings, mode: int, state: State) -> None:
    """A group may be the node's own, as where secrets are mounted."""
    assert settings.tls_key
    settings.tls_key.chmod(mode)
    assert found(settings, NOW)["key-files"].state == state


def test_a_pair_that_was_half_exchanged_is_noticed(settings: Settings) -> None:
    """The key is another one's."""
    assert settings.tls_key
    other, _ = fresh_authority("others")
    settings.tls_key.write_bytes(other.signed([x509.DNSName("node.example")], timedelta(days=90)).key)
    assert found(settings, NOW)["certificate-keys"].state == State.FAIL


def test_a_certificate_for_another_name_is_noticed(settings: Settings) -> None:
    """Clients would refuse it."""
    other = settings.model_copy(update={"advertise_host": "other.example"})
    assert found(other, NOW)["certificate-names"].state == State.WARN


def test_files_that_are_none_are_named(settings: Settings) -> None:
    """With what is wrong with them; nothing else is made of them."""
    assert settings.tls_cert
    assert settings.tls_key
    settings.tls_key.write_bytes(b"none")
    assert str(settings.tls_key) in found(settings, NOW)["certificate-files"].message
    settings.tls_cert.unlink()
    findings = found(settings, NOW)
    assert findings["certificate-files"].state == State.FAIL
    assert "No such file" in findings["certificate-files"].message
