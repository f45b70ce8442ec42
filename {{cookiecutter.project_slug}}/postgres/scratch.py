"""Scratch databases, to measure on and to compare with."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from psycopg import sql
from sqlalchemy import URL

from postgres import client


@contextmanager
def scratch_database(server: URL, template: str = "template0") -> Iterator[URL]:
    """Create a database, and drop it at the end.

    Args:
        server: the URL of a database that exists on the server.
        template: the database to copy, with no session connected to it; by default an empty one.
    """
    name = f"{(server.database or '')[:20]}_scratch_{uuid4().hex[:12]}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    # Else a session there has the settings of the role.
    free = sql.SQL(
        "ALTER ROLE CURRENT_USER IN DATABASE {0} SET default_transaction_read_only = off;"
        "ALTER ROLE CURRENT_USER IN DATABASE {0} SET statement_timeout = 0"
    ).format(sql.Identifier(name))
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with client.connect(server) as connection:
        connection.execute(create)
        connection.execute(free)
    try:
        yield server.set(database=name)
    finally:
        with client.connect(server) as connection:
            connection.execute(drop)
