"""The database's URL, and the application's connection to it."""

import os
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from sqlalchemy import (
    URL,
    DateTime,
    Engine,
    MetaData,
    Text,
    create_engine,
    event,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.types import Uuid

from postgres import embedded, environment
from postgres.url import parse_url

ROOT = Path(__file__).resolve().parent

# Every constraint and index has a name, so that a downgrade can always drop it and
# autogenerate can always recognise it.
NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """The parent of every model. Alembic compares `Base.metadata`."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar = {
        str: Text(),
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text()),
        dict[str, Any]: JSONB(),
    }


# When a relationship loads its objects: at the first access.
LOADING: Final = "select"


def new_id() -> UUID:
    """Return an id for a new row: one that grows with time from Python 3.14 on, else a random one.

    With an id from the client, the ORM inserts many rows in one statement. The server default is for
    SQL by hand.
    """
    make: Callable[[], UUID] = getattr(uuid, "uuid7", uuid.uuid4)
    return make()


def database_url(*, for_migrations: bool = False) -> URL:
    """Return the URL of the database: from the environment, else `.env`, else the embedded server's.

    Args:
        for_migrations: as for `configured_url`.

    Raises:
        DatabaseURLError: the URL cannot be used.
        SettingsError: there is a `.env` that cannot be read.
        EmbeddedServerError: no URL is set, and there is no embedded server.
    """
    return configured_url(for_migrations=for_migrations) or embedded.url()


def configured_url(*, for_migrations: bool = False) -> URL | None:
    """Return the URL that the environment, else `.env`, gives; None if neither does.

    Args:
        for_migrations: prefer `MIGRATION_DATABASE_URL` to `DATABASE_URL`. But the environment wins
            over `.env`: a `DATABASE_URL` in the environment wins over a `MIGRATION_DATABASE_URL`
            in `.env`.

    Raises:
        DatabaseURLError: the URL cannot be used.
        SettingsError: there is a `.env` that cannot be read.
    """
    names = ["MIGRATION_DATABASE_URL", "DATABASE_URL"] if for_migrations else ["DATABASE_URL"]
    for where, values in zip(("", " in .env"), environments(), strict=True):
        for name in names:
            if value := values.get(name):
                return parse_url(value, source=name + where)
    return None


def environments() -> tuple[Mapping[str, str | None], ...]:
    """Return the places of settings, in order: the environment, then `.env`.

    Raises:
        SettingsError: there is a `.env` that cannot be read.
    """
    return environment.environments(ROOT)


def make_engine(url: URL, **options: Any) -> Engine:
    """Return an engine for `url`; `options` go to `sqlalchemy.create_engine`."""
    return _prepared(create_engine(url, connect_args=_connect_args(url), **options))


def _connect_args(url: URL) -> dict[str, Any]:
    # psycopg prepares no statement on the server. A prepared statement fails after a migration changes
    # the type of its result ("cached plan must not change result type"), and behind a pooler in
    # transaction mode.
    connect_args: dict[str, Any] = {"prepare_threshold": None}
    if "connect_timeout" not in url.query and "PGCONNECT_TIMEOUT" not in os.environ:
        connect_args["connect_timeout"] = 10  # seconds
    # With a database's SQL_ASCII as the client's encoding, psycopg would return text as bytes.
    if "client_encoding" not in url.query:
        connect_args["client_encoding"] = "UTF8"
    return connect_args


def _prepared(engine: Engine) -> Engine:
    """Set an engine's connections to UTC, and connect to an embedded server without libpq's variables."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        with embedded.connecting(engine.url):
            return dialect.connect(*arguments, **parameters)

    @event.listens_for(engine, "connect")
    def use_utc(connection: Any, _record: Any) -> None:
        # Not by the startup parameter "options": PgBouncer rejects it.
        autocommit = connection.autocommit
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = autocommit

    return engine


@cache
def engine() -> Engine:
    """Return the application's engine; it is made at the first call."""
    return make_engine(database_url(), pool_pre_ping=True)


@cache
def session_factory() -> sessionmaker[Session]:
    """Return the application's session factory.

    For a transaction: `with session_factory().begin() as session:`.
    """
    return sessionmaker(engine())
