"""Databases that come and go: to measure on, to compare with."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from psycopg import sql
from sqlalchemy import URL

from postgres import client


@contextmanager
def scratch_database(server: URL) -> Iterator[URL]:
    """Create an empty database, and drop it at the end.

    Args:
        server: where, by a database that exists there.
    """
    name = f"{(server.database or '')[:20]}_scratch_{uuid4().hex[:12]}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with client.connect(server) as connection:
        connection.execute(create)
    try:
        yield server.set(database=name)
    finally:
        with client.connect(server) as connection:
            connection.execute(drop)
