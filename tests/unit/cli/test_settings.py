"""Settings as options, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.cli.settings import setting_options, settings_of, takes_settings
from a2a_node.model.errors import SettingInvalid
from a2a_node.settings import Settings
from tests.unit.cli.conftest import Run


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"A2A_{name.upper()}", raising=False)


@pytest.mark.parametrize("command", ["up", "serve"])
def test_every_setting_is_an_option_of_up_and_serve(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Under its own name, with its variable and its description."""
    monkeypatch.setenv("COLUMNS", "200")
    shown = run(command, "--help").stdout
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in shown
        assert f"A2A_{name.upper()}" in shown


def test_what_is_given_goes_before_variables_and_those_before_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is not given is left alone."""
    monkeypatch.setenv("A2A_GRPC_PORT", "1234")
    monkeypatch.setenv("A2A_HTTP_PORT", "1235")
    settings = settings_of({"grpc_port": "4321", "region": None, "agent": []})
    assert (settings.grpc_port, settings.http_port, settings.peer_port) == (4321, 1235, 50052)


def test_agents_may_be_named_several_times_or_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """The option for people, the variable for deployments."""
    assert settings_of({"agent": ["a:b", "c:d"]}).agent == ("a:b", "c:d")
    monkeypatch.setenv("A2A_AGENT", "e:f,g:h")
    assert settings_of({}).agent == ("e:f", "g:h")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deployments set what they do not know."""
    monkeypatch.setenv("A2A_GRPC_PORT", "")
    assert settings_of({}).grpc_port == 50051


def test_the_data_directory_is_where_one_stands() -> None:
    """Whatever the process does later."""
    assert settings_of({"data_dir": "data"}).data_dir == Path.cwd() / "data"
    assert settings_of({"data_dir": "~/data"}).data_dir == Path.home() / "data"


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"grpc_port": "high"}, "grpc_port"),
        ({"http_port": "70000"}, "http_port"),
        ({"node_id": "No Spaces"}, "node_id"),
        ({"drain": "-1"}, "drain"),
        ({"host": "0.0.0.0"}, "host"),  # noqa: S104 - refused
        ({"host": "::"}, "host"),
        ({"host": "node.mesh.test"}, "host"),
        ({"http_host": "10.0.0.7"}, "http_host"),
        ({"http_host": "10.0.0.7", "tls_cert": "c", "tls_key": "k", "http_tls": "off"}, "http_host"),
        ({"http_tls": "on"}, "tls_cert"),
        ({"http_cors_origins": "https://a.example/"}, "http_cors_origins"),
        ({"http_cors_origins": "*"}, "http_cors_origins"),
        ({"http_trusted_proxies": "10.0.0.1/8"}, "http_trusted_proxies"),
        ({"http_trusted_proxies": "*"}, "http_trusted_proxies"),
        ({"host": "10.0.0.7", "insecure_bind": True}, "host"),
        ({"host": "10.0.0.7", "insecure_bind_confirm": "10.0.0.7"}, "host"),
        ({"host": "10.0.0.7", "insecure_bind": True, "insecure_bind_confirm": "10.0.0.8"}, "host"),
        ({"tls_cert": "c"}, "tls_key"),
        ({"tls_client_ca": "c"}, "tls_cert"),
        ({"peer_cert": "c", "peer_key": "k"}, "peer_ca"),
        ({"trust_domain": "spiffe://x"}, "trust_domain"),
        ({"clock_leeway": "301"}, "clock_leeway"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], setting: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(SettingInvalid) as refusal:
        settings_of(given)
    assert refusal.value.variables["setting"] == setting
    assert "\n" not in refusal.value.message


def test_a_wrong_setting_is_one_line_and_exit_code_64(run: Run) -> None:
    """Before anything is started."""
    result = run("up", "--grpc-port", "high")
    assert result.exit_code == 64
    assert result.stderr.startswith("error: setting grpc_port: ")
    assert result.stderr.count("\n") == 1


def test_serve_wants_both_stores(run: Run) -> None:
    """And says how to name them."""
    result = run("serve")
    assert result.exit_code == 64
    assert "A2A_POSTGRES_URL" in result.stderr
    assert "A2A_REDIS_URL" in run("serve", "--postgres-url", "postgresql://ann:secret@db/mesh").stderr


def test_no_refusal_quotes_a_password() -> None:
    """Whatever is wrong with the rest."""
    with pytest.raises(SettingInvalid) as refusal:
        settings_of({"postgres_url": "postgresql://ann:secret@db/mesh", "grpc_port": "high"})
    assert "secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert ":secret@" not in repr(settings_of({"postgres_url": "postgresql://ann:secret@db/mesh"}))


def test_a_command_may_take_some_settings() -> None:
    """Under the words of its own function."""

    @takes_settings("data_dir")
    def look(settings: Settings) -> None:
        """Look at it."""

    assert look.__doc__ == "Look at it."
    assert [parameter.name for parameter in setting_options(("data_dir",))] == ["data_dir"]
    look(data_dir=None)


def test_administrators_are_principals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several, with commas in the variable; a name that is none is refused by the setting's."""
    monkeypatch.setenv("A2A_ADMINISTRATORS", "person:ada,node:n1")
    assert settings_of({}).administrators == ("person:ada", "node:n1")
    with pytest.raises(SettingInvalid, match="administrators"):
        settings_of({"administrators": ["ada"]})


@pytest.mark.parametrize(
    "given",
    [
        {"host": "::1"},
        {"host": "localhost", "http_host": "127.0.0.2"},
        {"host": "10.0.0.7", "tls_cert": "c", "tls_key": "k"},
        {"host": "10.0.0.7", "insecure_bind": True, "insecure_bind_confirm": "10.0.0.7"},
    ],
)
def test_others_reach_a_node_by_tls_or_by_a_word_said_twice(given: dict[str, object]) -> None:
    """And whoever listens for this machine alone needs neither."""
    assert settings_of(given).host == given["host"]


def test_a_refusal_says_how_it_could_be_done() -> None:
    """Both ways."""
    with pytest.raises(SettingInvalid, match="tls_cert and tls_key, or say --insecure-bind") as refusal:
        settings_of({"host": "10.0.0.7"})
    assert "--insecure-bind-confirm 10.0.0.7" in refusal.value.message


def test_reflection_is_open_to_this_machine_or_where_it_is_said() -> None:
    """Elsewhere it needs a key."""
    tls = {"tls_cert": "c", "tls_key": "k"}
    assert settings_of({}).reflects_openly
    assert not settings_of({"host": "10.0.0.7", **tls}).reflects_openly
    assert settings_of({"host": "10.0.0.7", "open_reflection": True, **tls}).reflects_openly
