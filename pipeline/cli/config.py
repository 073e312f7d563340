"""How settings are read: defaults, then a TOML file, then the environment, then flags.

Each overrules the one before. Whatever is misspelt or not allowed, in any of them, is named with
the place, the value seen and what would be allowed.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import io
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import pydantic_settings
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from common.errors import UserError
from data.table import TABLE

LOCAL_PREFIX = f"{TABLE.pipeline.upper()}_".replace("-", "_")
VERTEX_PREFIX = f"{LOCAL_PREFIX}VERTEX_"
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
        cli_parse_none_str="not set",  # In --help; 'null' is a word like any other.
        cli_use_class_docs_for_groups=True,  # The list of subcommands says what each does.
    )
    default_config: ClassVar[Path]
    incidental: ClassVar[frozenset[str]] = frozenset({"config", "cache"})

    config: Path | None = Field(
        None, description="TOML file with settings; the default one is read if it is there"
    )

    def to_dict(self) -> dict[str, str]:
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
        toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
        known = meanings(cls).keys() - {"config"}  # Which are no commands, so no tables of theirs.
        for name in toml.toml_data.keys() - known:
            raise _unknown("setting", name, known)
        return init_settings, env_settings, toml


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
Commands = Mapping[str, type[BaseModel]]
"""By name of a command, what it takes; what that says of itself, `--help` lists."""


class SettingsError(UserError):
    """A setting or an option that is refused before anything has begun."""


def load(kind: type[AnySettings], arguments: Sequence[str] = ()) -> AnySettings:
    """Reads settings from all their sources; `load_command` without commands."""
    return load_command(kind, arguments, {})[0]


def load_command(
    kind: type[AnySettings], arguments: Sequence[str], commands: Commands
) -> tuple[AnySettings, str | None, BaseModel | None]:
    """Reads settings from all their sources, and which command is to be run with which options.

    Returns:
        Checked, frozen settings; the command, if one is named, and its options.

    Raises:
        SettingsError: If a value is not allowed, or a name not known.
        SystemExit: After `--help`.
    """
    place = _place_of_command(kind, arguments)
    command = next(iter(arguments[place:]), None)
    _check_flags(kind, arguments[:place], commands)
    if command is not None:
        if command not in commands:
            raise _unknown("command", repr(command), commands, f"There are {', '.join(commands)}.")
        _check_options(kind, command, arguments[place + 1 :], commands)
        _check_subcommand(command, arguments[place + 1 :], commands[command])
    _check_values(arguments)
    _check_variables(kind)
    config = _config_file(kind, arguments[:place])
    given = {} if config is None else {"config": config}
    parser: Any = create_model(
        kind.__name__,
        __base__=kind,
        __doc__=kind.__doc__,
        **{name: (CliSubCommand[options], ...) for name, options in commands.items()},  # type: ignore
    )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            read = parser(_cli_parse_args=list(arguments), **given)
    except SystemExit as ended:
        if not ended.code:  # After --help.
            raise
        # Of a command's own options, argparse says itself what is wrong, and ends.
        cause = said.getvalue().rpartition("error: ")[2].strip() or "The options don't fit together"
        raise _misused(command, cause) from ended
    except ValidationError as error:
        raise _explained(kind, error) from error
    except pydantic_settings.SettingsError as error:
        cause = str(error).removeprefix("error parsing CLI: ")
        raise _misused(command, cause) from error
    except ValueError as error:  # Also TOMLDecodeError, whose module depends on Python's version.
        raise SettingsError(
            f"The settings file {config or kind.default_config} is no TOML: {error}.",
            "Write one setting a line, such as train_steps = 500 or seed = 7.",
        ) from error
    fields = kind.model_fields.items()
    settings = kind.model_construct(
        _fields_set=read.model_fields_set & kind.model_fields.keys(),
        **{f.alias or name: getattr(read, name) for name, f in fields},
    )
    return settings, command, getattr(read, command) if command else None


def _misused(command: str | None, cause: str) -> SettingsError:
    see = f"See {command} --help" if command else "See --help"
    return SettingsError(f"{cause[0].upper()}{cause[1:]}.", f"{see} for the options.")


def meanings(kind: type[BaseModel]) -> dict[str, str]:
    """What users call each setting, and what it means; subcommands left out."""
    return {
        field.alias or name: field.description or ""
        for name, field in kind.model_fields.items()
        if not _subcommand(field.annotation)
    }


def _subcommand(annotation: Any) -> type[BaseModel] | None:
    """The model behind `CliSubCommand[...]`, which is an optional one."""
    choices = get_args(annotation)
    models = [a for a in choices if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if models and type(None) in choices else None


def _switches(kind: type[BaseModel]) -> set[str]:
    """Flags that take no value."""
    names = [n for n, f in kind.model_fields.items() if f.annotation is bool]
    return {_as_flag(name) for name in (*names, *(f"no-{name}" for name in names), "help")}


def _flags(kind: type[BaseModel]) -> set[str]:
    """All flags, those of subcommands included."""
    subcommands = filter(None, (_subcommand(f.annotation) for f in kind.model_fields.values()))
    own = _switches(kind) | {_as_flag(name) for name in meanings(kind)}
    return own.union(*map(_flags, subcommands))


def _as_flag(name: str) -> str:
    return f"--{name}".replace("_", "-")


def _place_of_command(kind: type[BaseModel], arguments: Sequence[str]) -> int:
    """Index of the first word that is neither a flag nor its value."""
    index, switches = 0, _switches(kind) | {"-h"}
    while index < len(arguments) and arguments[index].startswith("-"):
        index += 1 if "=" in arguments[index] or arguments[index] in switches else 2
    return min(index, len(arguments))


def _check_flags(kind: type[Layered], arguments: Sequence[str], commands: Commands) -> None:
    """Refuses what would otherwise be ignored, or taken for something else."""
    known = _flags(kind)
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if not flag.startswith("--"):
            continue
        owner = next((name for name, model in commands.items() if flag in _flags(model)), None)
        if flag not in known and owner:
            raise SettingsError(
                f"{flag} is an option of the command {owner}.", f"Write it after {owner}."
            )
        if flag not in known:
            raise _unknown("option", flag, known)
        if flag in _switches(kind) and equals:
            raise SettingsError(
                f"{flag} takes no value, and has got {value!r}.",
                f"Write {flag}, or --no-{flag[2:]}.",
            )


def _check_values(arguments: Sequence[str]) -> None:
    for flag, value in zip(arguments, [*arguments[1:], None], strict=False):
        name, equals, given = flag.partition("=")
        given = given if equals else value
        if name.startswith("--") and given is not None and not given.strip():
            raise SettingsError(
                f"{name} has an empty value.",
                "Give it one, or leave it out for the default.",
            )


def _check_options(
    kind: type[Layered], command: str, arguments: Sequence[str], commands: Commands
) -> None:
    known = _flags(commands[command])
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in known:
            if flag in _flags(kind):
                raise SettingsError(
                    f"{flag} stands after the command {command}, which has no such option.",
                    f"Settings come first: {flag} ... {command}.",
                )
            raise _unknown("option", flag, known)


def _check_subcommand(command: str, arguments: Sequence[str], kind: type[BaseModel]) -> None:
    """Asks which, before any setting is looked at."""
    names = [name for name, field in kind.model_fields.items() if _subcommand(field.annotation)]
    if not names or {"-h", "--help"} & set(arguments):
        return
    there = f"Name one of {', '.join(names)}."
    word = next((a for a in arguments if not a.startswith("-")), None)
    if word is None:
        raise SettingsError(f"It is not said what {command} is to do.", there)
    if word not in names:
        raise _unknown("command", f"'{command} {word}'", [f"{command} {n}" for n in names], there)


def _check_variables(kind: type[Layered]) -> None:
    prefix = _prefix(kind)
    variables = {f"{prefix}{name}".upper() for name in meanings(kind)}
    for variable in os.environ:
        others = prefix == LOCAL_PREFIX and variable.startswith(VERTEX_PREFIX)
        if variable.startswith(prefix) and not others and variable not in variables:
            raise _unknown("setting", variable, variables)


def _prefix(kind: type[Layered]) -> str:
    return kind.model_config.get("env_prefix", "")


def _unknown(kind: str, name: str, known: Iterable[str], else_: str = "") -> SettingsError:
    close = difflib.get_close_matches(name.strip("'"), known, n=1)
    else_ = else_ or f"See --help for the {kind}s there are."
    hint = f"Did you mean {close[0]}?" if close else else_
    return SettingsError(f"There is no {kind} {name}.", hint)


def _config_file(kind: type[Layered], arguments: Sequence[str]) -> Path | None:
    """The settings file to read, if there is one; it must be known before the settings are."""
    path = os.environ.get(f"{_prefix(kind)}CONFIG", "")
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--config":
            path = value if equals else "".join(arguments[index + 1 : index + 2])
    if not path and not os.path.lexists(kind.default_config):
        return None
    file = Path(os.path.expanduser(path)) if path else kind.default_config
    if not os.path.lexists(file):
        raise SettingsError(f"There is no settings file {path}.", "Check the path given as config.")
    try:
        if file.exists() and not file.is_file():
            raise IsADirectoryError(errno.EISDIR, "it is no file")
        file.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The settings file {path or file} can't be read: {str(error.strerror).lower()}.",
            "Check the path given as config." if path else "Mend its permissions, or remove it.",
        ) from error
    return file if path else None


def _shown(value: Any) -> str:
    """A value that was refused, as one would write it into the file."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_as_json(v)}' for name, v in value.items())}}}"
    return _as_json(value) if isinstance(value, list) else repr(str(value))


def _as_json(value: Any) -> str:
    return json.dumps(value, default=str)  # TOML has dates and times, which JSON has not.


def _explained(kind: type[Layered], error: ValidationError) -> SettingsError:
    """The first thing wrong, in words of the user: setting, value seen, what is allowed."""
    first: Any = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "[key]"]
    if first["type"] == "extra_forbidden" and len(place) == 1:
        return _unknown("setting", place[0], meanings(kind))
    message = str(first["msg"]).removeprefix("Value error, ")
    if not place:
        return SettingsError(f"The settings don't fit together: {message}.", "See --help.")
    name = ".".join(place)  # Of a value in a table, with the names of the tables.
    meaning = f" ({meanings(kind)[place[0]]})" if meanings(kind).get(place[0]) else ""
    if first["type"] == "missing":
        return SettingsError(
            f"Setting {name} is missing{meaning}.",
            f"Write it into {kind.default_config}, or give it as an option; see --help.",
        )
    return SettingsError(
        f"Setting {name} is {_shown(first['input'])}: {message[0].lower()}{message[1:]}"
        + ("" if message.endswith("?") else "."),
        f"Change {name}{meaning}.",
    )
