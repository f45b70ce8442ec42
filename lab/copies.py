"""Databases that are copied from each other, and gone at the end."""

import os
from collections.abc import Iterable
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import URL

from postgres.client import parameters


class Copies:
    """Databases, each empty or a copy of another one."""

    def __init__(self, server: URL) -> None:
        """Connect.

        Args:
            server: where, by a database that exists there.
        """
        self._server = server
        self._connection = psycopg.connect(**parameters(server), autocommit=True)
        self._names: list[str] = []

    def make(self, of: URL | None = None) -> URL:
        """Create one, and return its URL."""
        name = f"lab_{os.getpid()}_{uuid4().hex[:12]}"
        template = of.database if of else "template0"
        self._connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template or "")
            )
        )
        self._names.append(name)
        return self._server.set(database=name)

    def drop(self, keep: Iterable[URL] = ()) -> None:
        """Drop all but these."""
        kept = {url.database for url in keep}
        for name in [name for name in self._names if name not in kept]:
            self._connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
            self._names.remove(name)

    def close(self) -> None:
        """Drop all of them."""
        self.drop()
        self._connection.close()
