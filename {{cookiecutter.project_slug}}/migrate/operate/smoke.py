"""The smoke test that a deploy ends with where the ini file names no other."""

from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, NullPool, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

import models  # noqa: F401  (puts every model on Base.registry)
from database import Base, configured_url, make_engine
from migrate.run.connection import cannot_connect
from migrate.target import allowed_url

LIMIT = "10s"  # for a query


def test(config: Config) -> int:
    """Read a row of every model, by the application's role and through the application's URL.

    So it finds a grant that is missing and a column that the code knows and the database
    does not. It writes nothing.

    Returns:
        How many models it has read.

    Raises:
        CommandError: a model cannot be read.
    """
    engine = make_engine(_url(config), poolclass=NullPool)
    mapped = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
    try:
        connection = engine.connect()
    except DBAPIError as error:
        raise CommandError(cannot_connect(error, engine)) from error
    with connection, Session(connection) as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        session.execute(text(f"SET LOCAL statement_timeout = '{LIMIT}'"))
        for model in mapped:
            try:
                session.scalars(select(model).limit(1)).all()
            except SQLAlchemyError as error:
                reason = str(error.orig if isinstance(error, DBAPIError) else error).splitlines()[0]
                raise CommandError(
                    f"{model.__name__} cannot be read as {engine.url.username}: {reason}"
                ) from error
    return len(mapped)


def _url(config: Config) -> URL:
    # A migration job may know its own URL only.
    return allowed_url(config, for_migrations=configured_url() is None)
