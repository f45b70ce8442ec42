"""The smoke test at the end of a deploy, if the ini file has no other."""

from typing import Any

from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, NullPool, Select, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from database import Base, configured_url, make_engine
from migrate.autogenerate import load
from migrate.run.connection import cannot_connect, free
from migrate.target import allowed_url

load()  # the models; if they cannot be imported, one line says why

LIMIT = "10s"  # for each query
DENIED = "42501"  # insufficient_privilege


def test(config: Config) -> int:
    """Read a row of every model, as the application's role, through the application's URL.

    So it finds a missing grant, and a column that the code has and the database does not have. It
    writes nothing.

    Args:
        config: the ini file.

    Returns:
        How many models, and tables without a model, it has read.

    Raises:
        CommandError: a model cannot be read.
    """
    engine = make_engine(_url(config), poolclass=NullPool)
    classes = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
    mapped = {table for mapper in Base.registry.mappers for table in mapper.tables}
    tables = [table for table in Base.metadata.sorted_tables if table not in mapped]
    readable: dict[str, Select[Any]] = {model.__name__: select(model) for model in classes}
    readable |= {table.fullname: select(table) for table in tables}
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise CommandError(cannot_connect(error, engine)) from error
    with connection, Session(connection) as session:
        free(connection)  # no limit for the transaction: it reads every table
        session.execute(text("SET TRANSACTION READ ONLY"))
        session.execute(text(f"SET LOCAL statement_timeout = '{LIMIT}'"))
        for name, query in readable.items():
            try:
                session.execute(query.limit(1)).all()
            except SQLAlchemyError as error:
                raise CommandError(
                    f"{name} cannot be read as {engine.url.username}: {_reason(error)}"
                ) from error
    return len(readable)


def _reason(error: SQLAlchemyError) -> str:
    reason = str(error.orig if isinstance(error, DBAPIError) else error).splitlines()[0]
    denied = isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == DENIED
    return f"{reason} (docs/roles.sql, run again, gives the application what it needs)" if denied else reason


def _url(config: Config) -> URL:
    # A migration job may have only its own URL.
    return allowed_url(config, for_migrations=configured_url() is None)
