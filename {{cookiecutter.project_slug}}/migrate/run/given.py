"""What a program may give instead of a URL: a connection or an engine, sync or async."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolIsEmpty
from sqlalchemy.pool import AssertionPool, SingletonThreadPool, StaticPool
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet

from migrate.run.connection import BUFFERED, URL_SETTINGS, check_server, check_session, connect, free

DRIVERS = {("postgresql", "psycopg"), ("postgresql", "psycopg_async")}
# Pools that give the same connection to every caller.
ONE_FOR_ALL = (AssertionPool, SingletonThreadPool, StaticPool)

SETTINGS = text("SELECT name, setting FROM pg_settings WHERE context IN ('user', 'superuser')")
SET = text("SELECT set_config(:name, :value, false)")


def use(place: object, work: Callable[[Connection], None], named_by: str = URL_SETTINGS) -> None:
    """Work on a connection that is given, or on one of an engine that is given.

    A given connection stays open. Its settings and its isolation level are restored, and its
    transaction stays open if it is in one. An engine's connection is closed, and does not go back
    to the pool.

    Args:
        place: a Connection or Engine with psycopg, or an object that has a `connect()` like an
            engine's (pytest-alembic's). An AsyncEngine gets an event loop of its own if none is
            running. An AsyncEngine or AsyncConnection also works in a function that `run_sync()`
            runs.
        work: called with the connection.
        named_by: the setting that names the database, for an error message.

    Raises:
        CommandError: the place is of another kind, cannot be used from here, or its server
            cannot be reached or used (see `connect`).
    """
    asynchronous = getattr(place, "sync_connection", None) or getattr(place, "sync_engine", None)
    there = asynchronous or place
    if not isinstance(there, Connection | Engine):
        with _engine_like(there, named_by) as connection:
            use(connection, work, named_by)
        return
    if (there.dialect.name, there.dialect.driver) not in DRIVERS:
        raise CommandError(
            f"{named_by} is for {there.dialect.name}+{there.dialect.driver}: "
            "the migrations need PostgreSQL, by psycopg 3 (postgresql+psycopg://…)"
        )
    if there.dialect.is_async and not in_greenlet():
        if isinstance(there, Connection) or _loop_is_running():
            raise CommandError(
                f"{named_by} ({type(place).__name__}) works in its event loop only: call Alembic in a "
                "function that `await connection.run_sync(…)` runs, on the connection that it gets there"
            )
        try:
            asyncio.run(greenlet_spawn(use, there, work, named_by))
        except KeyboardInterrupt as error:  # the loop has cancelled the run, so it cannot report itself
            raise CommandError(
                "stopped on request: alembic current says where the database is, and the same command goes on"
            ) from error
        return
    try:
        opened = _own(there, named_by) if isinstance(there, Engine) else _left_alone(there, named_by)
        with opened as connection:
            work(connection)
    except PoolIsEmpty as error:
        raise CommandError(
            f"the pool of {named_by} has no connection left, and a run needs two at a time: "
            "give an engine with a larger pool"
        ) from error


@contextmanager
def _engine_like(place: object, named_by: str) -> Iterator[Connection]:
    # A driver's own connection has connect() too, and would connect to another database.
    given = place.connect() if hasattr(place, "dialect") and hasattr(place, "connect") else None
    if isinstance(given, AbstractContextManager):
        with given as connection:
            if isinstance(connection, Connection):
                yield connection
                return
    raise CommandError(
        f"{named_by} is a {type(place).__name__}: give SQLAlchemy's Connection, Engine, AsyncConnection or "
        "AsyncEngine; a URL is for sqlalchemy.url"
    )


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _own(engine: Engine, named_by: str) -> Iterator[Connection]:
    """Take a connection from an engine. It does not go back to the pool: the run changes its settings."""
    _refuse_one_for_all(engine, named_by)
    with connect(engine, named_by) as connection:
        if _is_autocommit(connection):
            connection.execution_options(isolation_level=connection.default_isolation_level)
        try:
            yield connection
        finally:
            if not connection.closed:  # by a revision
                connection.invalidate()


@contextmanager
def _left_alone(connection: Connection, named_by: str) -> Iterator[Connection]:
    """Restore a given connection at the end."""
    if connection.closed:
        raise CommandError(f"{named_by} is closed: give an open connection")
    options = connection.get_execution_options()
    connection.execution_options(**BUFFERED)
    try:
        with _settings_left_alone(connection, named_by):
            yield connection
    finally:
        connection.execution_options(**{name: options.get(name) for name in BUFFERED})


@contextmanager
def _settings_left_alone(connection: Connection, named_by: str) -> Iterator[None]:
    """Restore the settings of its session and its isolation level at the end."""
    autocommit = _is_autocommit(connection)
    check_server(connection)
    if connection.in_transaction():
        if autocommit:
            raise CommandError(
                f"{named_by} is in AUTOCOMMIT, where no revision could be rolled back, and has run a "
                "statement: end that first, by commit(), or give the engine"
            )
        yield
        return
    _refuse_one_for_all(connection.engine, named_by)
    if autocommit:
        connection.execution_options(isolation_level=connection.default_isolation_level)
    check_session(connection)
    before = _settings(connection)
    free(connection)
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):  # the server may be gone
            connection.rollback()
            if not (connection.invalidated or connection.closed):
                _set_back(connection, before)
        if autocommit:
            connection.execution_options(isolation_level="AUTOCOMMIT")


def _refuse_one_for_all(engine: Engine, named_by: str) -> None:
    if isinstance(engine.pool, ONE_FOR_ALL):
        raise CommandError(
            f"{named_by} has a {type(engine.pool).__name__}, and so one connection for all: a run needs two; "
            "give an engine with another pool, or a connection that is in a transaction"
        )


def _is_autocommit(connection: Connection) -> bool:
    driver = connection.connection.dbapi_connection
    assert driver is not None
    return bool(connection.dialect.detect_autocommit_setting(driver))


def _settings(connection: Connection) -> dict[str, str]:
    return {row.name: row.setting for row in connection.execute(SETTINGS)}


def _set_back(connection: Connection, before: dict[str, str]) -> None:
    for name, value in _settings(connection).items():
        if before.get(name, value) != value:
            connection.execute(SET, {"name": name, "value": before[name]})
    connection.commit()
