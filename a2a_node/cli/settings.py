"""The options of `up` and `serve`: one for each setting, made from the settings themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from a2a_node.cli.failures import failures
from a2a_node.cli.options import AS_JSON, Command, command, option, own_options
from a2a_node.model.errors import SettingInvalid
from a2a_node.settings import Settings

Starting = Callable[..., None]
_METAVARS: Mapping[object, str] = {int: "NUMBER", float: "NUMBER", str: "TEXT", SecretStr: "SECRET"}


def takes_settings(*names: str) -> Callable[[Starting], Command]:
    """A command from a function that takes the settings first: it gets options for these, or for all of them."""

    def made(starting: Starting) -> Command:
        def run(**given: object) -> None:
            own = {parameter.name: given.pop(parameter.name) for parameter in parameters}
            with failures(as_json=bool(own.get(AS_JSON.name))):
                starting(settings_of(given), **own)

        parameters = own_options(starting)
        return command(run, starting, [*parameters, *setting_options(names)])

    return made


def setting_options(names: Sequence[str] = ()) -> list[Parameter]:
    """An option for each setting, or for these; what is not given is left to the variables and the defaults."""
    return [_option(name, field) for name, field in Settings.model_fields.items() if name in names or not names]


def settings_of(given: Mapping[str, object]) -> Settings:
    """The settings: what was given, else `A2A_*` variables, else defaults; SettingInvalid names the first wrong one."""
    try:
        return Settings.model_validate({name: value for name, value in given.items() if value not in (None, [])})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        # not chained: the cause quotes the value, which may be a password
        raise SettingInvalid(".".join(str(place) for place in first["loc"][:1]), problem) from None
    except SettingsError as error:
        raise SettingInvalid("of the environment", str(error)) from None


def variable(name: str) -> str:
    """The environment's name of a setting."""
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def _option(name: str, field: FieldInfo) -> Parameter:
    flag, about = f"--{name.replace('_', '-')}", f"{field.description} {_otherwise(name, field)}"
    if field.annotation is bool:
        return option(name, bool | None, f"{flag}/--no-{flag[2:]}", help=about)
    if get_origin(field.annotation) is tuple:
        return option(name, list[str] | None, flag, help=about, metavar="TEXT ...")
    if field.annotation is Path:
        return option(name, Path | None, flag, help=about)
    return option(name, str | None, flag, help=about, metavar=_METAVARS.get(field.annotation, "TEXT"))


def _otherwise(name: str, field: FieldInfo) -> str:
    """Where the value comes from when the option is not given."""
    if field.annotation is SecretStr:
        return f"Better as {variable(name)}, or as file:PATH or vault:PATH#FIELD: others can read command lines."
    default = field.get_default(call_default_factory=True)
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"({variable(name)}, else {shown})" if shown not in ("", ()) else f"({variable(name)})"
