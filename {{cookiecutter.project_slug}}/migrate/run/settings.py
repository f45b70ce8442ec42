"""The settings of a run, and where they are set."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from alembic.config import Config
from alembic.util import CommandError

UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
# The longest limit that PostgreSQL takes, in whole hours. It rounds to milliseconds, and 0 is no limit.
LONGEST, SHORTEST = 596 * 3600.0, 0.001

Source = tuple[Mapping[str, str | None], Callable[[str], str]]


@dataclass(frozen=True)
class Settings:
    """Settings of a run. Durations are in seconds, and a limit of 0 is none.

    Attributes:
        lock_timeout: how long a statement waits for a lock that traffic would queue behind.
        patient_lock_timeout: the same, for a statement that makes only other DDL wait.
        statement_timeout: how long a statement may run.
        attempts: how often a revision is tried if it does not get its locks.
        pause: the pause after the first try; it doubles after each further try.
        longest_pause: the longest pause between two tries.
        runner_wait: how long to wait for another run of the migrations to end.
        show_queries: show the queries of blocking sessions, which may hold data.
    """

    lock_timeout: float = 2.0
    patient_lock_timeout: float = 0.0
    statement_timeout: float = 0.0
    attempts: int = 10
    pause: float = 0.5
    longest_pause: float = 30.0
    runner_wait: float = 300.0
    show_queries: bool = False

    @classmethod
    def load(
        cls, config: Config, arguments: Mapping[str, str], *environments: Mapping[str, str | None]
    ) -> "Settings":
        """Return the settings: each from `-x`, else the first environment that has it, else the ini file.

        Args:
            config: the section `[migrate]` of its file is read.
            arguments: what was given as `-x name=value`.
            environments: mappings with `MIGRATE_LOCK_TIMEOUT` and so on, such as `os.environ`.

        Raises:
            CommandError: a value does not fit its setting, `-x` gives none, or `-x` or the ini file names
                an unknown setting.
        """
        kinds = {field.name: type(field.default) for field in fields(cls)}
        if unknown := set(arguments) - set(kinds):
            raise CommandError(f"-x {min(unknown)}: no such setting; there are {', '.join(kinds)}")
        if empty := [name for name, value in arguments.items() if not value.strip()]:
            raise CommandError(f"-x {empty[0]} has no value: write -x NAME=VALUE")
        section = config.get_section("migrate", {})
        if unknown := set(section) - set(kinds) - set(config.file_config.defaults()):
            raise CommandError(f"[migrate] {min(unknown)}: no such setting; there are {', '.join(kinds)}")
        sources: list[Source] = [
            (arguments, lambda name: name),
            *((environment, lambda name: f"MIGRATE_{name.upper()}") for environment in environments),
            (section, lambda name: name),
        ]
        values: dict[str, Any] = {}
        for name, kind in kinds.items():
            for source, spell in sources:
                if value := source.get(spell(name)):
                    values[name] = _read(value, kind, spell(name))
                    break
        return cls(**values)


def yes_or_no(text: str, name: str) -> bool:
    """Return the value of a setting that is yes or no.

    Raises:
        CommandError: it is neither.
    """
    return bool(_read(text, bool, name))


def _read(text: str, kind: type, name: str) -> float | int | bool:
    value = text.strip().lower()
    if kind is bool and value in ("yes", "no"):
        return value == "yes"
    if kind is int and value.isdecimal() and 0 < int(value) < 1000:
        return int(value)
    if kind is float and (match := re.fullmatch(r"(\d+(?:\.\d+)?) ?(ms|s|min|h)?", value)):
        seconds = float(match[1]) * UNITS[match[2] or "s"]
        if seconds == 0 or SHORTEST <= seconds <= LONGEST:
            return seconds
    expected = {
        bool: "yes or no",
        int: "a number from 1 to 999",
        float: "a duration like 500ms, 2s or 5min (0, or from 1ms to 596h)",
    }
    raise CommandError(f"{name}: {text!r} is not {expected[kind]}")
