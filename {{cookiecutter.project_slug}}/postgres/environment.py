"""What the environment and the file .env say, to us and to PostgreSQL's programs."""

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

# What libpq and the server read: PGSSLMODE, PGSERVICE, PGTZ and the others, a later version's too.
LIBPQ = re.compile("PG[A-Z]")

_connecting = RLock()


def environments(folder: Path) -> tuple[Mapping[str, str | None], ...]:
    """Return where settings are looked for: the environment, then `.env` in the folder.

    Raises:
        SettingsError: there is a `.env` that cannot be read.
    """
    return os.environ, read(folder / ".env")


def read(path: Path) -> dict[str, str | None]:
    """Return what a `.env` says, as it stands: a password may hold "${". Nothing where there is none.

    It is UTF-8, or begins with a byte order mark: PowerShell's `>` writes UTF-16.

    Raises:
        SettingsError: it cannot be read. A setting that is passed over would be a migration of
            another database.
    """
    if path.is_dir():  # made where the file to mount into a container is missing
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
        if binding.error:
            written = binding.original.string
            blank = written[: -len(written.lstrip())].count("\n")
            raise SettingsError(
                f"{path}, line {binding.original.line + blank}: not NAME=value, or a quote is not closed"
            )
        if binding.key is not None:
            settings[binding.key] = binding.value
    return settings


def without_libpq() -> dict[str, str]:
    """Return the environment less what is for connections to the user's own servers."""
    return {name: value for name, value in os.environ.items() if not LIBPQ.match(name)}


@contextmanager
def hidden_from_libpq() -> Iterator[None]:
    """Hide from libpq, in this process and while a block connects, what `without_libpq` leaves out.

    Parameters of the connection would not do: there is none that undoes PGSERVICE or PGTZ.
    """
    with _connecting:
        hidden = {name: os.environ.pop(name) for name in list(os.environ) if LIBPQ.match(name)}
        try:
            yield
        finally:
            os.environ.update(hidden)
