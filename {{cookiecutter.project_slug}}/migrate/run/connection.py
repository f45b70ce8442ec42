"""The connection that migrations run on."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic.util import CommandError
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_

MINIMUM_VERSION = (15,)

# What libpq says, and what to do about it. Servers may translate their messages
# (lc_messages), so these only refine the general advice.
ADVICE = (
    ("password authentication failed", "check the user and the password"),
    ("no password supplied", "give the password"),
    ("does not exist", "create it, or correct the name"),
    ("resolve host", "check the host"),
    ("translate host", "check the host"),
    ("connection refused", "check the host and the port, and that the server is running"),
    ("not permitted to log in", "ALTER ROLE … LOGIN"),
    ("permission denied for database", "GRANT CONNECT ON DATABASE … TO the role"),
    ("not currently accepting connections", "ALTER DATABASE … ALLOW_CONNECTIONS true"),
    ("pooling mode", "connect past the pooler"),
    ("too many c", "a run needs two connections, a deploy three: end other sessions, or raise the limit"),
    (
        "connection slots",
        "a run needs two connections, a deploy three: end other sessions, or raise the limit",
    ),
    ("statement timeout", "it is too short to connect: raise it (ALTER ROLE or ALTER DATABASE … SET)"),
    ("timeout", "check the host and the port, and that no firewall is in between"),
)

# Settings that the role or the database may have, and the values that our sessions need instead: they
# wait for locks, pause between tries, and may build an index for hours. The server prints values as
# every database reads them, and intervals as psycopg does: '02/03/2020' is another day elsewhere.
# An older server does not know transaction_timeout, and would refuse to set it.
UNLIMITED = (
    "DO $$ BEGIN PERFORM set_config(name, value, false) FROM pg_settings JOIN (VALUES "
    "('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_session_timeout', '0'), "
    "('idle_in_transaction_session_timeout', '0'), ('default_transaction_read_only', 'off'), "
    "('default_transaction_deferrable', 'off'), ('default_transaction_isolation', 'read committed'), "
    "('quote_all_identifiers', 'off'), ('client_encoding', 'UTF8'), ('DateStyle', 'ISO'), "
    "('IntervalStyle', 'postgres'), ('bytea_output', 'hex'), ('extra_float_digits', '1')"
    ") AS wanted (name, value) USING (name); END $$"
)

# How long our sessions wait for a lock, before a run sets its own limit: without one, a session that
# has locked Alembic's table would make every command hang, with no word of why.
LOCK_TIMEOUT = "SET lock_timeout = '10s'"

# The settings that name the database, unless a program gives a connection or a URL.
URL_SETTINGS = "DATABASE_URL or MIGRATION_DATABASE_URL"

# A program may have its results streamed. Then each statement has a cursor on the server, which takes no
# SET and no DDL.
BUFFERED: dict[str, Any] = {"stream_results": False, "yield_per": None}

# The options of a URL that say where the server is.
SERVER = {"host", "hostaddr", "port", "service"}

BACKEND_PID = text("SELECT pg_backend_pid()")


@contextmanager
def connect(engine: Engine, named_by: str = URL_SETTINGS) -> Iterator[Connection]:
    """Connect to the database that is to be migrated.

    Args:
        engine: the database.
        named_by: the setting that names the database, for an error message.

    Raises:
        CommandError: the server is out of reach, refuses, is older than PostgreSQL 15, or
            is a pooler in transaction mode.
    """
    try:
        connection = engine.connect().execution_options(**BUFFERED)
    except DBAPIError as error:
        raise CommandError(cannot_connect(error, engine, named_by)) from error
    with connection:
        check_server(connection)
        check_session(connection)
        connection.execute(text(LOCK_TIMEOUT))
        free(connection)
        yield connection


def free(connection: Connection) -> None:
    """Remove from a session what is set on its role or database and is in the way."""
    connection.execute(text(UNLIMITED))
    connection.commit()


def check_server(connection: Connection) -> None:
    """Refuse a server that is too old for the migrations.

    Raises:
        CommandError: the server is older than `MINIMUM_VERSION`.
    """
    version = connection.dialect.server_version_info or (0,)
    if version < MINIMUM_VERSION:
        raise CommandError(
            f"the server {address(connection.engine)} is PostgreSQL {'.'.join(map(str, version))}, "
            f"the migrations need {MINIMUM_VERSION[0]} or later: upgrade the server"
        )


def check_session(connection: Connection) -> None:
    """Refuse a connection pooler in transaction mode.

    Such a pooler may run every transaction in another server session. So a run would lose its
    locks and settings after its first transaction.

    Raises:
        CommandError: the connection goes through such a pooler.
    """
    driver = connection.connection.driver_connection
    pid = connection.scalar(BACKEND_PID)
    connection.rollback()
    # The pid that PgBouncer reports when a client connects is not the server's.
    if driver is None or driver.info.backend_pid == pid:
        return
    with connection.engine.connect().execution_options(**BUFFERED) as other:
        # Our session is idle. In session mode it stays ours. In transaction mode the pooler
        # gives it to the next client, or gives us another one afterwards.
        taken = other.scalar(BACKEND_PID)
        again = connection.scalar(BACKEND_PID)
        connection.rollback()
    if taken == pid or again != pid:
        raise CommandError(
            f"{address(connection.engine)} is a connection pooler in transaction mode, which keeps no "
            "lock between transactions: set MIGRATION_DATABASE_URL to the server itself, or to a pool in "
            "session mode"
        )


def beside(connection: Connection) -> Engine:
    """Return an engine for more sessions like this one, for use in another thread."""
    if not connection.dialect.is_async:
        return connection.engine
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    conninfo = make_conninfo(driver.info.dsn, password=driver.info.password)
    url = connection.engine.url.set(drivername="postgresql+psycopg")
    return create_engine(url, creator=lambda: psycopg.connect(conninfo), poolclass=NullPool)


def pause(connection: Connection, seconds: float) -> None:
    """Wait, and let the event loop of an async connection run meanwhile."""
    if connection.dialect.is_async:
        await_(asyncio.sleep(seconds))
    else:
        time.sleep(seconds)


def major_version(connection: Connection) -> int:
    """Return the server's major version, such as 18."""
    return int((connection.dialect.server_version_info or (0,))[0])


def address(engine: Engine) -> str:
    """Return the URL without its secrets: no password, and of the options only those that name the server."""
    query = {name: value for name, value in engine.url.query.items() if name in SERVER}
    return engine.url.set(query=query).render_as_string(hide_password=True)


def cannot_connect(error: DBAPIError, engine: Engine, named_by: str = URL_SETTINGS) -> str:
    """Return one line: the server, its answer, and what to do. Never the password."""
    # libpq repeats the message for every address that it tried, and adds hints: take its first line.
    reason = str(error.orig).strip().splitlines()[0]
    reason = reason.rsplit("FATAL:", 1)[-1].rsplit("failed:", 1)[-1].strip()
    advice = next((what for sign, what in ADVICE if sign in reason.lower()), "check the URL")
    return f"cannot connect to {address(engine)}: {reason} ({advice}: {named_by})"
