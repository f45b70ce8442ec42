"""Databases that come and go: to measure on, to compare with."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import URL, NullPool, text

from database import configured_url, make_engine
from migrate import embedded


def server_url() -> URL:
    """Return the URL of a server for scratch databases, by a database that exists on it.

    It is the configured one, so that one can choose the version; else an embedded one that
    holds nothing else, and waits for no disk.
    """
    return configured_url(for_migrations=True) or embedded.url("test")


@contextmanager
def scratch_database(server: URL | None = None) -> Iterator[URL]:
    """Create an empty database, and drop it at the end.

    Args:
        server: where; by default `server_url()`.
    """
    url = server or server_url()
    name = f"{(url.database or '')[:20]}_scratch_{uuid4().hex[:12]}"
    engine = make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
    try:
        yield url.set(database=name)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
