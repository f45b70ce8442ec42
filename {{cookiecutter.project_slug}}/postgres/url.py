"""A database's URL: what is a usable one, and how psycopg gets it."""

import re
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from postgres.errors import DatabaseURLError

# The text that str(url) has instead of the password.
HIDDEN = "***"

# What libpq takes from a URL's query before its usual place, and that place: there every display of a URL
# hides the password, and names the database that is connected to.
QUERY = {"user": "username", "password": "password", "dbname": "database"}


def parse_url(text: str, source: str = "DATABASE_URL") -> URL:
    """Return `text` as a URL for psycopg 3.

    Args:
        text: `postgresql://user:password@host:port/name`; `postgres://` and
            `postgresql+psycopg://` mean the same. Special characters in the password
            are percent-encoded.
        source: the setting's name, for the error message.

    Raises:
        DatabaseURLError: it is no URL, or a URL of another database product or driver.
    """
    expected = "expected postgresql://user:password@host:port/database"
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        raise DatabaseURLError(f"{source} is not a database URL: {expected}") from None
    if "%00" in text:
        raise DatabaseURLError(f"{source} has a zero byte (%00), which no name and no password can hold")
    if url.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        # Show only a well-formed name: any other text may be part of a secret.
        name = url.drivername if re.fullmatch(r"[a-z0-9+_]+", url.drivername) else "something else"
        raise DatabaseURLError(f"{source} is for {name}, this application needs PostgreSQL: {expected}")
    for name, place in QUERY.items():
        if value := url.query.get(name):
            named: dict[str, Any] = {place: value if isinstance(value, str) else value[-1]}
            url = url.difference_update_query([name]).set(**named)
    if "@" in (url.host or ""):
        raise DatabaseURLError(
            f"{source} has a special character in the user or password: "
            "percent-encode it (@ is %40, : is %3A, / is %2F, % is %25)"
        )
    if url.password == HIDDEN:
        raise DatabaseURLError(
            f"{source} has *** in the place of the password, as str(url) gives it: "
            "url.render_as_string(hide_password=False) gives all of it"
        )
    if not url.database:
        raise DatabaseURLError(f"{source} names no database: {expected}")
    if (folder := unquote(url.host or "")).startswith("/"):
        port = f"&port={url.port}" if url.port else ""
        raise DatabaseURLError(f"{source} has the folder of a socket as its host: write ?host={folder}{port}")
    url = url.set(drivername="postgresql+psycopg")
    try:
        url.get_dialect()().create_connect_args(url)
    except ArgumentError as error:  # of several hosts and their ports
        raise DatabaseURLError(f"{source}: {error}") from None
    return url
