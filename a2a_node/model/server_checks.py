"""What a configuration of an MCP server must be like; InvalidInput names the field at fault, as in the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import NAME
from a2a_node.model.tools import Http, ServerConfig, ServerLimits, ServerValue, Stdio

SERVER_ID = re.compile(r"[a-z][a-z0-9_-]{0,58}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,255}")
BROKEN = re.compile("[\x00\r\n]")
MOST_ARGS, MOST_VALUES, MOST_LABELS = 256, 256, 32
LONGEST = 4096  # characters of a command, an argument, an address
VALUE_BYTES = 32 * 1024
HOUR, DAY = 3600.0, 86_400.0


def checked_server_id(field: str, name: str) -> str:
    """The name itself."""
    if not name:
        raise InvalidInput(field, "is required")
    if not SERVER_ID.fullmatch(name):
        form = "must be 1 to 59 lower-case letters, digits, '-' and '_', beginning with a letter"
        raise InvalidInput(field, f"{name[:80]!r} {form}")
    return name


def checked_config(config: ServerConfig) -> ServerConfig:
    """The configuration itself."""
    if isinstance(config.transport, Stdio):
        _check_stdio(config.transport)
    else:
        _check_http(config.transport, config.limits)
    if len(config.node_labels) > MOST_LABELS:
        raise InvalidInput("config.node_labels", f"has {len(config.node_labels)} entries, the limit is {MOST_LABELS}")
    _check_rules(config)
    _check_limits(config.limits)
    if config.call_timeout:
        _check_number("config.call_timeout", config.call_timeout, 0.001, DAY)
    if config.max_result_bytes:
        _check_number("config.max_result_bytes", config.max_result_bytes, 1, 1 << 30)
    return config


def _check_stdio(stdio: Stdio) -> None:
    _check_text("config.stdio.command", stdio.command, required=True)
    if len(stdio.args) > MOST_ARGS:
        raise InvalidInput("config.stdio.args", f"has {len(stdio.args)} entries, the limit is {MOST_ARGS}")
    for number, argument in enumerate(stdio.args):
        if "\0" in argument or len(argument) > LONGEST:
            raise InvalidInput(
                f"config.stdio.args[{number}]", f"must be at most {LONGEST} characters, none of them NUL"
            )
    _check_values("config.stdio.environment", stdio.environment, VARIABLE)
    if stdio.working_directory and not Path(stdio.working_directory).is_absolute():
        raise InvalidInput("config.stdio.working_directory", "must be an absolute path")
    _check_text("config.stdio.working_directory", stdio.working_directory)


def _check_http(http: Http, limits: ServerLimits) -> None:
    _check_text("config.http.url", http.url, required=True)
    try:
        parts = urlsplit(http.url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidInput("config.http.url", "must be an address such as http://127.0.0.1:3001/mcp")
    if parts.username or parts.password:
        raise InvalidInput("config.http.url", "is shown to everybody: put what is secret into `headers`")
    _check_values("config.http.headers", http.headers, HEADER)
    for name, value in http.headers.items():
        if BROKEN.search(value.value):
            raise InvalidInput(f"config.http.headers.{name}", "must be one line")
    if limits != ServerLimits(log_lines=limits.log_lines):
        raise InvalidInput("config.limits", "are only for `stdio`: who runs a server of its own bounds it")


def _check_values(field: str, values: Mapping[str, ServerValue], form: re.Pattern[str]) -> None:
    if len(values) > MOST_VALUES:
        raise InvalidInput(field, f"has {len(values)} entries, the limit is {MOST_VALUES}")
    for name, value in values.items():
        if not form.fullmatch(name):
            raise InvalidInput(field, f"{name[:80]!r} is not the form of such a name")
        if "\0" in value.value or len(value.value.encode()) > VALUE_BYTES:
            raise InvalidInput(f"{field}.{name}", f"must be at most {VALUE_BYTES:,} bytes, none of them NUL")
        if value.secret_name and not NAME.fullmatch(value.secret_name):
            raise InvalidInput(f"{field}.{name}.secret_name", f"{value.secret_name[:80]!r} is no name of a secret")


def _check_rules(config: ServerConfig) -> None:
    health, restart = config.health, config.restart
    _check_number("config.health.interval", health.interval, 1.0, HOUR)
    _check_number("config.health.timeout", health.timeout, 0.001, health.interval)
    _check_number("config.health.failures", health.failures, 1, 100)
    _check_number("config.restart.max_backoff", restart.max_backoff, 0.001, HOUR)
    _check_number("config.restart.initial_backoff", restart.initial_backoff, 0.001, restart.max_backoff)
    _check_number("config.restart.max_restarts", restart.max_restarts, 1, 10_000)
    _check_number("config.restart.window", restart.window, 1.0, DAY)


def _check_limits(limits: ServerLimits) -> None:
    if limits.memory_bytes:
        _check_number("config.limits.memory_bytes", limits.memory_bytes, 1 << 20, 1 << 50)
    if limits.cpu_seconds:
        _check_number("config.limits.cpu_time", limits.cpu_seconds, 1, 10 * 366 * int(DAY))
    _check_number("config.limits.open_files", limits.open_files, 16, 1 << 20)
    _check_number("config.limits.log_lines", limits.log_lines, 1, 10_000)


def _check_number(field: str, number: float, least: float, most: float) -> None:
    if not least <= number <= most:
        raise InvalidInput(field, f"{number:g} must be from {least:g} to {most:g}")


def _check_text(field: str, text: str, *, required: bool = False) -> None:
    if required and not text:
        raise InvalidInput(field, "is required")
    if len(text) > LONGEST or BROKEN.search(text):
        raise InvalidInput(field, f"must be one line of at most {LONGEST} characters")
