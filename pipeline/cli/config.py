"""How settings are read: defaults, then a TOML file, then the environment, then flags.

Each overrules the one before. Whatever is misspelt or not allowed, in any of them, is named with
the place, the value seen and what would be allowed.
"""

from __future__ import annotations

import difflib
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from common.errors import UserError

LOCAL_PREFIX, VERTEX_PREFIX = "NATALITY_", "NATALITY_VERTEX_"
"""What the variables of each runner start with; both may be set at once."""


class Layered(BaseSettings):
    """Settings of a command line, read from all four places; `load` makes them.

    Attributes:
        default_config: The settings file that is read where none is named.
        incidental: Fields that say how a run goes, not what comes out of it.
    """

    model_config = SettingsConfigDict(
        env_prefix=LOCAL_PREFIX,
        env_prefix_target="all",  # Else --from would be read from a variable named FROM.
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=True,
        cli_exit_on_error=False,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_use_class_docs_for_groups=True,  # The list of subcommands says what each does.
    )
    default_config: ClassVar[Path]
    incidental: ClassVar[frozenset[str]] = frozenset({"config", "cache"})

    config: Path | None = Field(
        None, description="TOML file with settings; the default one is read if it is there"
    )

    def told(self) -> dict[str, str]:
        """What decides on the results of a run, as text, by the name one would write in a file."""
        return {name: _text(getattr(self, field)) for field, name in self._deciding()}

    def reproduction(self) -> str:
        """The command that makes the same run again: the flags that differ from the defaults."""
        flags = [
            _flag(name, getattr(self, field))
            for field, name in self._deciding()
            if getattr(self, field) != type(self).model_fields[field].default
        ]
        return " ".join(["python", str(self.model_config.get("cli_prog_name")), *flags])

    def _deciding(self) -> Iterator[tuple[str, str]]:
        """Fields that decide on results, with the name that each is set by."""
        for field, info in type(self).model_fields.items():
            if field not in self.incidental:
                yield field, info.alias or field

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order in which sources overrule each other; flags come before all of these."""
        config = init_settings.init_kwargs.get("config")  # type: ignore[attr-defined]
        file = config or (cls.default_config if cls.default_config.exists() else None)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def _flag(name: str, value: object) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag} {shlex.quote(_text(value))}"


def _text(value: object) -> str:
    """A value as one would type it."""
    if isinstance(value, dict):
        return json.dumps(value, default=lambda model: model.model_dump(mode="json"))
    return str(value)


AnySettings = TypeVar("AnySettings", bound=Layered)


def load(kind: type[AnySettings], arguments: Sequence[str] = ()) -> AnySettings:
    """Reads settings from all their sources.

    Args:
        kind: The settings to read.
        arguments: Command-line flags.

    Returns:
        Checked, frozen settings.

    Raises:
        UserError: If a value is not allowed, or a name not known.
        SystemExit: After `--help`.
    """
    _check_names(kind, arguments)
    config = _config_file(kind, arguments)
    given = {} if config is None else {"config": config}
    try:
        return kind(_cli_parse_args=list(arguments), **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise _explained(kind, error) from error
    except SettingsError as error:
        cause = str(error).removeprefix("error parsing CLI: ")
        raise UserError(f"{cause[0].upper()}{cause[1:]}.", "See --help for the options.") from error
    except ValueError as error:  # Also TOMLDecodeError, whose module depends on Python's version.
        raise UserError(
            f"The settings file {config or kind.default_config} is no TOML: {error}.",
            "Write one setting a line, such as train_steps = 500 or years = '2001-2008'.",
        ) from error


def meanings(kind: type[BaseModel]) -> dict[str, str]:
    """What users call each setting, and what it means; subcommands left out."""
    return {
        field.alias or name: field.description or ""
        for name, field in kind.model_fields.items()
        if not _subcommand(field.annotation)
    }


def _subcommands(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for field in kind.model_fields.values():
        if command := _subcommand(field.annotation):
            yield command
            yield from _subcommands(command)


def _subcommand(annotation: Any) -> type[BaseModel] | None:
    """The model behind `CliSubCommand[...]`, which is an optional one."""
    choices = get_args(annotation)
    models = [a for a in choices if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if models and type(None) in choices else None


def _flags(kind: type[BaseModel]) -> set[str]:
    switches = {
        field.alias or name for name, field in kind.model_fields.items() if field.annotation is bool
    }
    names = {*meanings(kind), *(f"no-{name}" for name in switches), "help"}
    return {f"--{name}".replace("_", "-") for name in names}


def _check_names(kind: type[Layered], arguments: Sequence[str]) -> None:
    """Refuses what would otherwise be ignored, or taken for something else."""
    flags = _flags(kind).union(*map(_flags, _subcommands(kind)))
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in flags:
            raise _unknown("option", flag, flags)
    prefix = _prefix(kind)
    variables = {f"{prefix}{name}".upper() for name in meanings(kind)}
    for variable in os.environ:
        others = prefix == LOCAL_PREFIX and variable.startswith(VERTEX_PREFIX)
        if variable.startswith(prefix) and not others and variable not in variables:
            raise _unknown("setting", variable, variables)


def _prefix(kind: type[Layered]) -> str:
    return kind.model_config.get("env_prefix", "")


def _unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else "See --help for the settings there are."
    return UserError(f"There is no {kind} {name}.", hint)


def _config_file(kind: type[Layered], arguments: Sequence[str]) -> Path | None:
    """The settings file asked for; it must be known before the settings are read."""
    path = os.environ.get(f"{_prefix(kind)}CONFIG", "")
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--config":
            path = value if equals else "".join(arguments[index + 1 : index + 2])
    if not path:
        return None
    if not Path(path).is_file():
        raise UserError(f"There is no settings file {path}.", "Check the path given as config.")
    return Path(path)


def _explained(kind: type[Layered], error: ValidationError) -> UserError:
    """The first thing wrong, in words of the user: setting, value seen, what is allowed."""
    first: Any = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "[key]"]
    if first["type"] == "extra_forbidden" and len(place) == 1:
        return _unknown("setting", place[0], meanings(kind))
    message = str(first["msg"]).removeprefix("Value error, ")
    if not place:
        return UserError(f"The settings don't fit together: {message}.", "See --help.")
    name = ".".join(place)  # Of a value in a table, with the names of the tables.
    meaning = f" ({meanings(kind)[place[0]]})" if meanings(kind).get(place[0]) else ""
    if first["type"] == "missing":
        return UserError(
            f"Setting {name} is missing{meaning}.",
            f"Write it into {kind.default_config}, or give it as an option; see --help.",
        )
    return UserError(
        f"Setting {name} is {str(first['input'])!r}: {message[0].lower()}{message[1:]}.",
        f"Change {name}{meaning}.",
    )
