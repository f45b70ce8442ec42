"""The settings [tool.migrate] of pyproject.toml."""

import tomllib
from pathlib import Path
from typing import Any

from postgres.errors import SettingsError


def settings(path: Path, *names: str) -> dict[str, Any]:
    """Return the table [tool.migrate], or one inside of it; empty if there is none, or no such file.

    Args:
        path: the file.
        names: of the table inside, such as "ledger".

    Raises:
        SettingsError: the file cannot be read, or has something else than a table there.
    """
    if not path.exists():
        return {}
    try:
        found: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    keys = ("tool", "migrate", *names)
    for name in keys:
        found = found.get(name, {})
        if not isinstance(found, dict):
            raise SettingsError(f"{path}: {name} is no table: write [{'.'.join(keys)}]")
    return dict(found)
