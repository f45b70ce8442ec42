"""The settings in the environment and in the file .env, for us and for PostgreSQL's programs."""

import codecs
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from dotenv.parser import parse_stream

from postgres.errors import SettingsError

# The variables of libpq and the server: PGSSLMODE, PGSERVICE, PGTZ and others, also of later versions.
LIBPQ = re.compile("PG[A-Z]")

# A name in a `.env`, also of other programs. What is none, such as $env:NAME, is a line of another language.
NAME = re.compile(r"[\w.-]+")

_connecting = RLock()


def environments(folder: Path) -> tuple[Mapping[str, str | None], ...]:
    """Return the places of settings, in order: the environment, then `.env` in the folder.

    Raises:
        SettingsError: there is a `.env` that cannot be read.
    """
    return os.environ, read(folder / ".env")


def read(path: Path) -> dict[str, str | None]:
    """Return the settings of a `.env`, without expansion: a password may hold "${". Empty if there is none.

    The file is UTF-8, or begins with a byte order mark: PowerShell's `>` writes UTF-16.

    Raises:
        SettingsError: the file cannot be read. If a setting were ignored, another database might be
            migrated.
    """
    if path.is_dir():  # a container engine makes a folder, if the file to mount is missing
        return {}
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeError:
        text = "\0"
    if "\0" in text:
        raise SettingsError(f"{path} is neither UTF-8 nor UTF-16 with a byte order mark: save it as UTF-8")
    settings: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and not NAME.fullmatch(binding.key)):
            written = binding.original.string
            blank = written[: -len(written.lstrip())].count("\n")
            raise SettingsError(
                f"{path}, line {binding.original.line + blank}: not NAME=value, or a quote is not closed"
            )
        if binding.key is not None:
            settings[binding.key] = binding.value
    return settings


def without_libpq() -> dict[str, str]:
    """Return the environment without libpq's variables, which are for the user's own servers."""
    return {name: value for name, value in os.environ.items() if not LIBPQ.match(name)}


@contextmanager
def hidden_from_libpq() -> Iterator[None]:
    """Hide libpq's variables in this process, while the block connects.

    Parameters of the connection are not enough: no parameter undoes PGSERVICE or PGTZ.
    """
    with _connecting:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if LIBPQ.match(name)}
        try:
            yield
        finally:
            os.environ.update(hidden)
