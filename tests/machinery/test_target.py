"""Which database a migration runs on, and what it leaves of a program that calls it."""

import ast
import asyncio
import inspect
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic
import psycopg
import pytest
from alembic import command
from alembic.autogenerate import render
from alembic.config import CommandLine, Config
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError, sqla_compat
from sqlalchemy import (
    URL,
    Connection,
    Constraint,
    Engine,
    MetaData,
    NullPool,
    QueuePool,
    StaticPool,
    Table,
    create_engine,
    text,
)
from sqlalchemy.sql.ddl import DDLIf

import database
from database import ROOT, make_engine
from migrate import alembic_internals
from migrate.run.runner import single_runner
from migrate.run.settings import Settings
from migrate.target import PLACEHOLDER, allowed_url, programs_url, target
from tests.machinery.support import Database, Server, run, wait_for

Chain = Callable[..., Path]

SECRET = "s3cr3t"
ELSEWHERE = f"postgresql://ada:{SECRET}@db.example.com/x"

CREATE, ALTER = "CREATE TABLE t (n integer)", "ALTER TABLE t ADD COLUMN m integer"
BUILD = "AUTOCOMMIT CREATE INDEX CONCURRENTLY i ON t (n)"


def written(url: URL) -> str:
    """Return a URL as an ini file has it, its password all percent-encoded."""
    password = "".join(f"%{byte:02X}" for byte in str(url.password).encode())
    return f"postgresql://{url.username}:{password}@{url.host}:{url.port}/{url.database}".replace("%", "%%")


def calling(ini: Path, given: object = None, url: str | None = None) -> Config:
    """Return the configuration of a program that gives a connection or a URL."""
    config = Config(ini, stdout=io.StringIO())
    if given is not None:
        config.attributes["connection"] = given
    if url is not None:
        config.set_main_option("sqlalchemy.url", url)
    return config


def line(error: pytest.ExceptionInfo[Exception]) -> str:
    """Return a message that is one line, without a password."""
    message = str(error.value)
    assert "\n" not in message
    assert SECRET not in message
    return message


def refusal(config: Config) -> str:
    """Have an upgrade refused, and return the line that says why."""
    with pytest.raises(CommandError) as error:
        command.upgrade(config, "head")
    return line(error)


def start(*arguments: str, database: Database, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start Python, with the database in its environment."""
    foreign = ("MIGRAT", "DATABASE_URL", "PYTEST")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    url = database.url.render_as_string(hide_password=False)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**inherited, "PYTHONPATH": path, "DATABASE_URL": url},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    """Return all that a program prints."""
    return "".join(process.communicate(timeout=180))


def pytest_in(folder: Path, database: Database, *options: str) -> str:
    """Run the tests of a folder, and return what pytest says."""
    usual = ["-q", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider"]
    return output(start("-m", "pytest", *usual, *options, database=database, cwd=folder))


@pytest.fixture
def developers(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The developer's database, which DATABASE_URL names, and which nothing here may touch."""
    theirs = server.create()
    theirs.execute("CREATE TABLE t AS SELECT generate_series(1, 100) AS n")
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL", theirs.url.render_as_string(hide_password=False))
    yield theirs
    assert theirs.tables() == ["t"]
    assert not theirs.query("SELECT FROM pg_tables WHERE tablename = 'alembic_version'")
    assert theirs.value("SELECT count(*) FROM t") == 100


# The URL


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
@pytest.mark.usefixtures("developers")
def test_the_url_that_a_program_sets_is_obeyed(scheme: str, empty: Database, chain: Chain) -> None:
    url = written(empty.url).replace("postgresql", scheme, 1)
    config = calling(chain(CREATE, ALTER), url=url)
    command.upgrade(config, "head")
    assert empty.tables() == ["t"]
    command.current(config)
    assert config.stdout.getvalue() == "r1 (head)\n"  # type: ignore[attr-defined]
    command.downgrade(config, "base")
    assert empty.column("SELECT version_num FROM alembic_version") == []


def test_the_nearest_source_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chain: Chain) -> None:
    def named(config: Config) -> tuple[str | None, str]:
        place, named_by = target(config)
        assert isinstance(place, Engine)
        return place.url.database, named_by

    monkeypatch.setattr(database, "ROOT", tmp_path)
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://h/file\n")
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        monkeypatch.setenv(name, f"postgresql://h/{name.lower()}")
    ini = chain()
    engine = create_engine("postgresql+psycopg://h/engine")
    by_environment = "DATABASE_URL or MIGRATION_DATABASE_URL"
    url = "postgresql://h/option"
    assert named(calling(ini, engine, url)) == ("engine", 'config.attributes["connection"]')
    assert named(Config(ini, attributes={"connection": engine}))[0] == "engine"
    assert named(calling(ini, url=url)) == ("option", "sqlalchemy.url")
    assert named(calling(ini)) == ("migration_database_url", by_environment)
    monkeypatch.delenv("MIGRATION_DATABASE_URL")
    assert named(calling(ini)) == ("database_url", by_environment)
    monkeypatch.delenv("DATABASE_URL")
    assert named(calling(ini)) == ("file", by_environment)


@pytest.mark.parametrize("name", ["alembic.ini", "production.ini"])
def test_the_placeholder_of_the_ini_files_is_no_url(name: str) -> None:
    config = Config(ROOT / name)
    assert config.get_main_option("sqlalchemy.url") == PLACEHOLDER
    assert programs_url(config) is None
    config.set_main_option("sqlalchemy.url", "")
    assert programs_url(config) is None
    assert programs_url(Config()) is None
    assert programs_url(Config(ROOT / name, ini_section="no_such_section")) is None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (f"nonsense {SECRET}", "sqlalchemy.url is not a database URL"),
        (f"postgresql://ada:{SECRET}@localhost", "sqlalchemy.url names no database"),
        (f"postgresql+asyncpg://ada:{SECRET}@localhost/x", "sqlalchemy.url is for postgresql+asyncpg"),
        (f"postgresql://ada:{SECRET}%40@x", "sqlalchemy.url: a % of the URL is written %% here"),
        ("postgresql://ada:***@localhost/x", "sqlalchemy.url has *** in the place of the password"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_one_line(url: str, complaint: str, chain: Chain) -> None:
    ini = chain(CREATE)
    ini.write_text(ini.read_text().replace(PLACEHOLDER, url))
    assert complaint in refusal(Config(ini))


def test_what_production_refuses_it_refuses_of_a_programs_url_and_of_no_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(database, "ROOT", tmp_path)
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    config = calling(ROOT / "production.ini", url=ELSEWHERE)
    with pytest.raises(CommandError) as error:
        allowed_url(config)
    assert "require_tls = yes refuses postgresql+psycopg://ada:***@db.example.com/x:" in line(error)
    config.set_main_option("sqlalchemy.url", f"{ELSEWHERE}?sslmode=require")
    assert allowed_url(config).host == "db.example.com"
    engine = create_engine(ELSEWHERE.replace("postgresql", "postgresql+psycopg"))
    assert target(calling(ROOT / "production.ini", engine)).place is engine


def test_sql_needs_no_database_whatever_is_given(chain: Chain) -> None:
    config = calling(chain(CREATE), url="nonsense")
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    assert "CREATE TABLE t (n integer);" in config.output_buffer.getvalue()


@pytest.mark.usefixtures("developers")
def test_a_server_that_refuses_is_blamed_on_what_named_it(empty: Database, chain: Chain) -> None:
    ini, wrong = chain(CREATE), empty.url.set(password=SECRET)
    assert refusal(calling(ini, url=written(wrong))).endswith(
        "(check the user and the password: sqlalchemy.url)"
    )
    assert refusal(calling(ini, make_engine(wrong, poolclass=NullPool))).endswith(
        '(check the user and the password: config.attributes["connection"])'
    )


@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        ('ALTER ROLE "{}" NOLOGIN', "ALTER ROLE … LOGIN"),
        ('REVOKE CONNECT ON DATABASE "{}" FROM PUBLIC', "GRANT CONNECT ON DATABASE … TO the role"),
        ('ALTER DATABASE "{}" ALLOW_CONNECTIONS false', "ALTER DATABASE … ALLOW_CONNECTIONS true"),
    ],
)
def test_a_door_that_is_closed_is_said_to_open_by(
    statement: str, advice: str, empty: Database, server: Server
) -> None:
    name = str(empty.url.database)
    with server.alone(name) as admin:
        admin.execute(text(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'x'"))
        admin.execute(text(statement.format(name)))
        try:
            code, errors = run(Database(empty.url.set(username=name, password="x")), "current")
        finally:
            admin.execute(text(f'DROP ROLE "{name}"'))
    assert code != 0
    assert f"({advice}: DATABASE_URL or MIGRATION_DATABASE_URL)" in errors


# What a program may give, and what it gets back


def by_engine(url: URL, upgrade: Callable[[object], None]) -> None:
    upgrade(make_engine(url, poolclass=NullPool))


def by_connection(url: URL, upgrade: Callable[[object], None]) -> None:
    with make_engine(url, poolclass=NullPool).connect() as connection:
        upgrade(connection)


def by_transaction(url: URL, upgrade: Callable[[object], None]) -> None:
    with make_engine(url, poolclass=NullPool).begin() as connection:
        upgrade(connection)


def by_autocommit(url: URL, upgrade: Callable[[object], None]) -> None:
    with make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        upgrade(connection)


def by_streaming_engine(url: URL, upgrade: Callable[[object], None]) -> None:
    upgrade(make_engine(url, poolclass=NullPool, execution_options={"stream_results": True}))


def by_streaming_connection(url: URL, upgrade: Callable[[object], None]) -> None:
    with make_engine(url, poolclass=NullPool).connect() as connection:
        connection.execution_options(yield_per=10)
        upgrade(connection)
        assert connection.get_execution_options()["yield_per"] == 10


def by_async_engine(url: URL, upgrade: Callable[[object], None]) -> None:
    upgrade(async_engine(url))


def by_async_engine_in_a_thread(url: URL, upgrade: Callable[[object], None]) -> None:
    async def main() -> None:
        await asyncio.to_thread(upgrade, async_engine(url))

    asyncio.run(main())


def by_run_sync(url: URL, upgrade: Callable[[object], None]) -> None:
    async def main() -> None:
        async with async_engine(url).connect() as connection:
            await connection.run_sync(upgrade)

    asyncio.run(main())


def by_run_sync_in_a_transaction(url: URL, upgrade: Callable[[object], None]) -> None:
    async def main() -> None:
        async with async_engine(url).begin() as connection:
            await connection.run_sync(upgrade)

    asyncio.run(main())


def by_async_connection_in_run_sync(url: URL, upgrade: Callable[[object], None]) -> None:
    async def main() -> None:
        async with async_engine(url).connect() as connection:
            await connection.run_sync(lambda _: upgrade(connection))

    asyncio.run(main())


def async_engine(url: URL) -> Any:
    """Return an AsyncEngine. It needs greenlet, so not every test here does."""
    from sqlalchemy.ext.asyncio import create_async_engine

    return create_async_engine(url, poolclass=NullPool)


@pytest.mark.parametrize(
    "way",
    [
        by_engine, by_connection, by_transaction, by_autocommit, by_streaming_engine,
        by_streaming_connection, by_async_engine, by_async_engine_in_a_thread, by_run_sync,
        by_run_sync_in_a_transaction, by_async_connection_in_run_sync,
    ],
    ids=lambda way: way.__name__.removeprefix("by_"),
)  # fmt: skip
@pytest.mark.usefixtures("developers")
def test_what_is_given_is_migrated_up_and_down(
    way: Callable[[URL, Callable[[object], None]], None], empty: Database, chain: Chain
) -> None:
    ini = chain(CREATE, ALTER)
    way(empty.url, lambda given: command.upgrade(calling(ini, given), "head"))
    assert empty.tables() == ["t"]
    assert empty.column("SELECT version_num FROM alembic_version") == ["r1"]
    way(empty.url, lambda given: command.downgrade(calling(ini, given), "base"))
    assert empty.column("SELECT version_num FROM alembic_version") == []


@pytest.mark.slow
def test_every_test_of_pytest_alembic_runs(empty: Database, chain: Chain, tmp_path: Path) -> None:
    ini, folder = chain(), tmp_path / "suite"
    for number, down in enumerate(["None", "'r0'"]):
        (ini.parent / "versions" / f"r{number}.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f"revision, down_revision = 'r{number}', {down}\n"
            f"def upgrade():\n    op.create_table('t{number}', sa.Column('n', sa.Integer))\n"
            f"def downgrade():\n    op.drop_table('t{number}')\n"
        )
    folder.mkdir()
    (folder / "conftest.py").write_text(
        "import pytest\nfrom database import database_url, make_engine\n"
        f"@pytest.fixture\ndef alembic_config():\n    return {{'file': {str(ini)!r}}}\n"
        "@pytest.fixture\ndef alembic_engine():\n    engine = make_engine(database_url())\n"
        "    with engine.begin() as connection:\n"
        "        connection.exec_driver_sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public')\n"
        "    return engine\n"
    )
    (folder / "test_chain.py").write_text(
        "from pytest_alembic.tests import (\n"
        "    test_single_head_revision, test_up_down_consistency, test_upgrade)\n"
        "from pytest_alembic.tests.experimental.downgrade_leaves_no_trace import (\n"
        "    test_downgrade_leaves_no_trace)\n"
    )
    said = pytest_in(folder, empty, "-o", "pytest_alembic_tests_path=nowhere")
    assert "4 passed" in said, said
    assert empty.tables() == ["t0", "t1"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            ELSEWHERE,
            "is a str: give SQLAlchemy's Connection, Engine, AsyncConnection or AsyncEngine; a URL",
        ),
        (psycopg, "is a module: give SQLAlchemy's Connection"),
        (create_engine("sqlite://"), "is for sqlite+pysqlite: the migrations need PostgreSQL, by psycopg 3"),
    ],
    ids=["URL", "driver", "other product"],
)
@pytest.mark.usefixtures("developers")
def test_anything_else_is_refused_in_one_line(given: object, complaint: str, chain: Chain) -> None:
    assert refusal(calling(chain(CREATE), given)).startswith(f'config.attributes["connection"] {complaint}')


@pytest.mark.usefixtures("developers")
def test_a_connection_that_is_closed_or_not_alone_is_refused(empty: Database, chain: Chain) -> None:
    ini = chain(CREATE)
    with empty.engine.connect() as closed:
        pass
    assert 'config.attributes["connection"] is closed' in refusal(calling(ini, closed))
    shared = make_engine(empty.url, poolclass=StaticPool)
    assert "has a StaticPool, and so one connection for all: a run needs two" in refusal(calling(ini, shared))
    small = make_engine(empty.url, pool_size=1, max_overflow=0, pool_timeout=0)
    with small.connect() as connection:
        assert "has no connection left, and a run needs two at a time" in refusal(calling(ini, connection))
    for engine in (shared, small):
        engine.dispose()
    assert empty.tables() == []


@pytest.mark.usefixtures("developers")
def test_outside_of_its_event_loop_an_async_connection_is_refused(empty: Database, chain: Chain) -> None:
    ini = chain(CREATE)

    async def main() -> list[str]:
        engine = async_engine(empty.url)
        async with engine.connect() as connection:
            return [refusal(calling(ini, given)) for given in (engine, connection)]

    for kind, message in zip(("AsyncEngine", "AsyncConnection"), asyncio.run(main()), strict=True):
        assert f'config.attributes["connection"] ({kind}) works in its event loop only: call' in message
        assert "await connection.run_sync(…)" in message
    assert empty.tables() == []


@pytest.mark.parametrize("autocommit", [False, True])
@pytest.mark.parametrize("statement", [ALTER, "SET lock_timeout = '9s'", "SELECT 1 / 0"])
def test_a_connection_comes_back_as_it_was(
    statement: str, autocommit: bool, empty: Database, chain: Chain
) -> None:
    ini = chain(CREATE, statement)
    engine = make_engine(empty.url, poolclass=NullPool, isolation_level="AUTOCOMMIT" if autocommit else None)
    with engine.connect() as connection:
        connection.execute(text("SET lock_timeout = '7s'"))
        connection.execute(text("SET search_path = public, pg_catalog"))
        connection.commit()
        config = calling(ini, connection)
        command.upgrade(config, "r0")
        if "/ 0" in statement:
            assert "r1.py) rolled back" in refusal(config)
        else:
            command.upgrade(config, "head")
        command.current(config)
        assert not connection.in_transaction()
        for name, value in (
            ("lock_timeout", "7s"), ("statement_timeout", "0"), ("search_path", "public, pg_catalog"),
        ):  # fmt: skip
            assert connection.scalar(text(f"SHOW {name}")) == value
        driver = connection.connection.driver_connection
        assert driver
        assert driver.autocommit is autocommit


def test_a_programs_pool_gets_nothing_of_a_run(empty: Database, chain: Chain) -> None:
    engine = make_engine(empty.url, poolclass=QueuePool, pool_size=3)
    command.upgrade(calling(chain(CREATE), engine), "head")
    session = text("SELECT current_setting('lock_timeout'), current_setting('application_name')")
    connections = [engine.connect() for _ in range(3)]
    assert {tuple(connection.execute(session).one()) for connection in connections} == {("0", "")}
    for connection in connections:
        connection.close()
    engine.dispose()


def test_under_autocommit_a_revision_that_fails_leaves_nothing(empty: Database, chain: Chain) -> None:
    engine = make_engine(empty.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    config = calling(chain(f"{CREATE}; SELECT 1 / 0"), engine)
    assert "r0.py) rolled back" in refusal(config)
    assert empty.tables() == []
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        config.attributes["connection"] = connection
        assert "is in AUTOCOMMIT, where no revision could be rolled back, and has run a" in refusal(config)


# The caller's transaction


def test_in_a_transaction_all_is_the_callers_to_commit(empty: Database, chain: Chain) -> None:
    seen = "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock_timeout"
    config = calling(chain(CREATE, seen))
    for keep in (False, True):
        with empty.engine.connect() as connection:
            connection.execute(text("SET lock_timeout = '7s'"))
            connection.commit()
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            assert connection.scalar(text("SELECT lock_timeout FROM seen")) == "2s"
            assert connection.scalar(text("SHOW lock_timeout")) == "5s"
            assert empty.tables() == []
            connection.commit() if keep else connection.rollback()
            assert connection.scalar(text("SHOW lock_timeout")) == "7s"
        assert empty.tables() == (["seen", "t"] if keep else [])


def test_a_revision_that_fails_in_a_transaction_says_who_rolls_it_back(empty: Database, chain: Chain) -> None:
    with empty.engine.connect() as connection:
        connection.execute(text("CREATE TABLE mine (n integer)"))
        message = refusal(calling(chain(CREATE, "SELECT 1 / 0"), connection))
    assert message == (
        "division by zero: upgrade to r1 failed in the transaction that the connection was in: roll that back"
    )


def test_what_needs_to_be_outside_of_a_transaction_is_refused_before_anything_runs(
    empty: Database, chain: Chain
) -> None:
    config = calling(chain(CREATE, BUILD, ALTER))
    with empty.engine.connect() as connection:
        connection.execute(text("CREATE TABLE mine (n integer)"))
        config.attributes["connection"] = connection
        message = refusal(config)
        assert re.fullmatch(
            r"upgrade to r1 \(.*r1\.py\) runs outside of a transaction \(autocommit_block\), and the "
            r"connection is in one: end that before the command, by commit\(\) or rollback\(\), or give the "
            r"engine",
            message,
        )
        connection.commit()
        assert empty.tables() == ["mine"]
        command.upgrade(config, "head")  # as the line says
    assert empty.column("SELECT version_num FROM alembic_version") == ["r2"]


def test_a_block_in_a_function_of_the_revision_is_refused_too(empty: Database, chain: Chain) -> None:
    ini = chain(CREATE, BUILD)
    revision = ini.parent / "versions/r1.py"
    source = revision.read_text().replace("def upgrade():", "def upgrade(): build()\ndef build():")
    revision.write_text(source)
    with empty.engine.begin() as connection:
        message = refusal(calling(ini, connection))
    assert message.startswith("this revision runs outside of a transaction (autocommit_block), and the")


IN_A_TRANSACTION = """
import logging, sys
from alembic import command
from alembic.config import Config
from database import database_url, make_engine
logging.basicConfig(level=logging.INFO)
config = Config(sys.argv[1])
with make_engine(database_url()).begin() as config.attributes["connection"]:
    command.upgrade(config, "head")
"""


@pytest.mark.parametrize("program", [["-c", IN_A_TRANSACTION], ["-m", "alembic", "-c"]], ids=["too", "not"])
def test_another_run_waits_until_the_transaction_is_committed(
    program: list[str], empty: Database, chain: Chain
) -> None:
    ini = chain(CREATE)
    arguments = [*program, str(ini), *([] if program[0] == "-c" else ["upgrade", "head"])]
    with empty.engine.connect() as connection:
        connection.begin()
        command.upgrade(calling(ini, connection), "head")
        other = start(*arguments, database=empty)
        assert other.stderr
        next(line for line in other.stderr if "waiting for another run of the migrations: pid" in line)
        assert other.poll() is None
        connection.commit()
        _, errors = other.communicate(timeout=60)
    assert other.returncode == 0, errors
    assert "nothing left to do: the other run has done it" in errors
    assert empty.tables() == ["t"]


def test_a_transaction_does_not_wait_for_ever(empty: Database, chain: Chain) -> None:
    with single_runner(empty.engine, "alembic_version", wait=0), empty.engine.begin() as connection:
        config = calling(chain(CREATE), connection)
        config.attributes["settings"] = Settings(runner_wait=0)
        assert "another run of the migrations has not ended in 0 s: pid" in refusal(config)


# In an event loop


def test_in_run_sync_an_async_connection_is_its_sync_side(empty: Database, chain: Chain) -> None:
    ini = chain(CREATE)

    async def main() -> None:
        async with async_engine(empty.url).connect() as connection:
            await connection.begin()
            await connection.run_sync(lambda _: command.upgrade(calling(ini, connection), "head"))
            await connection.rollback()

    asyncio.run(main())
    assert empty.tables() == []


def test_an_async_run_names_what_blocks_it(empty: Database, chain: Chain) -> None:
    config = calling(chain(CREATE, ALTER), async_engine(empty.url))
    command.upgrade(config, "r0")
    config.attributes["settings"] = Settings(lock_timeout=1, attempts=2, pause=0.01)
    with empty.engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
        assert re.search(r"2 times, blocked by pid \d+ \(idle in transaction for", refusal(config))


def test_a_run_whose_task_is_cancelled_leaves_nothing(empty: Database, chain: Chain) -> None:
    config = calling(chain(f"{CREATE}; SELECT pg_sleep(60)", ALTER))
    sleeping = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%p(60)'"

    def upgrade(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async def migrate() -> None:
        async with async_engine(empty.url).connect() as connection:
            await connection.run_sync(upgrade)

    async def main() -> None:
        task = asyncio.create_task(migrate())
        await asyncio.to_thread(wait_for, lambda: empty.query(sleeping))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    wait_for(lambda: not empty.query(sleeping))
    assert empty.tables() == []
    with single_runner(empty.engine, "alembic_version", wait=20):
        pass


# A program's logging


def state_of_logging() -> list[object]:
    loggers = [logging.getLogger(name) for name in (None, "alembic", "sqlalchemy.engine", "migrate")]
    return [(logger.level, logger.handlers[:], logger.disabled, logger.propagate) for logger in loggers]


@pytest.mark.usefixtures("developers")
def test_a_programs_logging_stays(empty: Database, chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    ini, url = chain(CREATE, ALTER), written(empty.url)
    before = state_of_logging()
    command.upgrade(calling(ini, url=url), "r0")
    assert state_of_logging() == before
    with pytest.MonkeyPatch.context() as patch:  # a program that logs nothing
        patch.setattr(logging.root, "handlers", [])
        command.current(calling(ini, url=url))
        assert logging.root.handlers == []
    assert state_of_logging() == before
    # A test that calls the command line, under pytest's handlers.
    ini.write_text(ini.read_text().replace(PLACEHOLDER, url))
    CommandLine().main(["-c", str(ini), "-x", "lock_timeout=1s", "upgrade", "head"])
    assert state_of_logging() == before
    logging.getLogger("program").warning("still heard")
    assert "still heard" in caplog.text
    assert empty.column("SELECT version_num FROM alembic_version") == ["r1"]


# A revision that no file has


@pytest.fixture
def lost(empty: Database, chain: Chain) -> Path:
    """A chain that lacks the revision that the database is at."""
    ini = chain(CREATE, ALTER)
    command.upgrade(calling(ini, empty.engine), "head")
    (ini.parent / "versions/r1.py").unlink()
    return ini


def test_a_revision_that_no_file_has_is_explained_by_every_command(empty: Database, lost: Path) -> None:
    config = calling(lost, empty.engine)
    commands: list[Callable[[], object]] = [
        lambda: command.upgrade(config, "head"),
        lambda: command.downgrade(config, "-1"),
        lambda: command.downgrade(config, "r0"),
        lambda: command.current(config),
        lambda: command.current(config, check_heads=True),
        lambda: command.check(config),
        lambda: command.stamp(config, "head"),
    ]
    for each in commands:
        with pytest.raises(CommandError) as error:
            each()
        assert line(error) == (
            "the database is at r1, and no file here has that revision: newer code has migrated the "
            "database, or the file was deleted or is on another branch, or another project uses "
            "the same table (then name one of your own: version_table in the ini files). In development, get "
            "the file back "
            "(git log --all -Sr1 finds it), or downgrade where it is; alembic stamp --purge REV changes no "
            "table, only which revision the database is said to be at. In production, deploy the code that "
            "has the file, and never stamp"
        )
    with empty.engine.begin() as connection:
        assert "no file here has that revision" in refusal(calling(lost, connection))
    assert empty.column("SELECT version_num FROM alembic_version") == ["r1"]
    command.stamp(config, "head", purge=True)
    command.upgrade(config, "head")
    assert empty.column("SELECT version_num FROM alembic_version") == ["r0"]


@pytest.mark.slow
def test_a_revision_that_no_file_has_stops_a_deploy_and_a_rollback(
    empty: Database, lost: Path, tmp_path: Path
) -> None:
    options = ["--config", str(lost), "--backup-dir", str(tmp_path / "backups"), "--yes"]
    for process in [
        start("-m", "migrate", *arguments, *options, database=empty)
        for arguments in (["deploy"], ["rollback", "--to", "base"])
    ]:
        said = output(process)
        assert process.returncode == 1
        assert "(preflight): the database is at r1, and no file here has that revision: newer" in said, said
        assert "Traceback" not in said


# The recipes of docs/PROGRAMS.md


def recipes() -> list[str]:
    """Return the blocks of Python on the page."""
    page = (ROOT / "docs/PROGRAMS.md").read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)


def on_chain(ini: Path, recipe: str) -> str:
    """Have a recipe run a chain: a project is where its ini file is."""
    return f"import pathlib, database\ndatabase.ROOT = pathlib.Path({str(ini.parent)!r})\n{recipe}"


@pytest.mark.slow
def test_the_recipe_for_pytest_gives_each_test_an_untouched_database_at_head(
    empty: Database, chain: Chain, tmp_path: Path
) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "conftest.py").write_text(on_chain(chain(CREATE), recipes()[0]))
    (folder / "test_rows.py").write_text(
        "import pytest\nfrom sqlalchemy import text\n"
        "@pytest.mark.parametrize('time', range(3))\ndef test_rows(session, time):\n"
        "    assert session.scalar(text('SELECT count(*) FROM t')) == 0\n"
        "    session.execute(text('INSERT INTO t VALUES (1)'))\n    session.commit()\n"
    )
    said = pytest_in(folder, empty, "-p", "no:pytest_alembic")
    assert "3 passed" in said, said
    assert empty.tables() == []
    beside = empty.column("SELECT datname FROM pg_database WHERE datname LIKE '%_scratch_%'")
    assert not [name for name in beside if name.startswith(f"{str(empty.url.database)[:20]}_scratch_")]


@pytest.mark.slow
def test_the_recipe_for_an_applications_start_holds_for_several(empty: Database, chain: Chain) -> None:
    ini = chain(f"{CREATE}; SELECT pg_sleep(1)", ALTER, BUILD)
    program = f"{on_chain(ini, recipes()[1])}\nmigrate()\n"
    processes = [start("-c", program, database=empty) for _ in range(4)]
    errors = [process.communicate(timeout=180)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    assert empty.column("SELECT version_num FROM alembic_version") == ["r2"]


@pytest.mark.usefixtures("developers")
def test_the_recipe_for_an_async_engine_migrates_its_database(empty: Database, chain: Chain) -> None:
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "ROOT", chain(CREATE, BUILD).parent)
        exec(recipes()[2], names)
    asyncio.run(names["migrate"](async_engine(empty.url)))
    assert empty.column("SELECT version_num FROM alembic_version") == ["r1"]


# Alembic's private names

# Where it has each, and how many arguments that takes.
PRIVATE: dict[str, tuple[Any, int | None]] = {
    "_repr_type": (render, 2),
    "_get_constraint_final_name": (sqla_compat, 2),
    "_is_type_bound": (sqla_compat, 1),
    "_exec": (PostgresqlImpl, 1),
    "_upgrade_revs": (ScriptDirectory, 2),
    "_downgrade_revs": (ScriptDirectory, 2),
    "_rev_path": (ScriptDirectory, 4),
    "_generate_create_date": (ScriptDirectory, 0),
    "_list_py_dir": (Script, 1),
    "_install_proxy": (EnvironmentContext, 0),
    "_remove_proxy": (EnvironmentContext, 0),
    "_from_path": (Script, 1),
    # No functions: the next test looks at them.
    "_in_external_transaction": (MigrationContext, None),
    "_migrations_fn": (MigrationContext, None),
    "_version_locations": (ScriptDirectory, None),  # a test of a broken chain looks at this one
    # Tests of autogenerate look at these.
    "_sequences": (MetaData, None),
    "_creator_ddl": (Table, None),
    "_ddl_if": (Constraint, None),
    "_should_execute": (DDLIf, 3),
}
NEEDED = f"Alembic {alembic.__version__} has changed what migrate/alembic_internals.py needs: "


def test_alembic_has_each_private_name_that_is_used() -> None:
    tree = ast.parse(inspect.getsource(alembic_internals))
    names = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names += [name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names]
    used = {name for name in names if re.match(r"_[a-z]", name)}
    assert used == PRIVATE.keys(), "PRIVATE lists what migrate/alembic_internals.py uses"
    for name, (owner, count) in PRIVATE.items():
        if count is None:
            continue
        assert hasattr(owner, name), f"{NEEDED}{owner.__name__}.{name} is gone"
        signature = inspect.signature(getattr(owner, name))
        try:
            signature.bind(*range(count + inspect.isclass(owner)))  # a method's first is self
        except TypeError:
            pytest.fail(f"{NEEDED}{owner.__name__}.{name}{signature} does not take {count} arguments")


def test_alembics_private_names_do_what_is_relied_on(empty: Database, chain: Chain) -> None:
    config = calling(chain(CREATE, ALTER))
    scripts = ScriptDirectory.from_config(config)
    steps: list[RevisionStep] = alembic_internals.upgrade_steps(scripts, "head", [])
    down = alembic_internals.downgrade_steps(scripts, "base", ["r1"])
    for name, found, ids in (("_upgrade_revs", steps, ["r0", "r1"]), ("_downgrade_revs", down, ["r1", "r0"])):
        assert all(isinstance(step, RevisionStep) for step in found), f"{NEEDED}{name} gives no steps"
        assert [step.revision.revision for step in found] == ids, f"{NEEDED}{name} gives other steps"
    asked = []

    def first_alone(heads: object, _migration: object) -> list[RevisionStep]:
        asked.append(heads)
        return steps[:1]

    with empty.engine.connect() as connection:
        for begun in (False, True):
            if begun:
                connection.begin()
            context = EnvironmentContext(config, scripts, fn=lambda *_: steps, destination_rev="head")
            context.configure(connection=connection)
            migration = context.get_context()
            private = {name for name, (owner, _) in PRIVATE.items() if owner is MigrationContext}
            missing = sorted(private - vars(migration).keys())
            assert not missing, f"{NEEDED}MigrationContext has no {', '.join(missing)}"
            assert alembic_internals.in_callers_transaction(migration) is begun, f"{NEEDED}_in_external_…"
            assert alembic_internals.planned(migration) == steps, f"{NEEDED}_migrations_fn gives no steps"
            alembic_internals.replace_plan(migration, first_alone)
            connection.rollback()
        executed: list[str] = []
        migration.impl._exec = lambda construct, *_, **__: executed.append(str(construct))  # type: ignore[method-assign]
        with Operations.context(migration):
            migration.run_migrations()
    assert asked == [()], f"{NEEDED}run_migrations asks _migrations_fn no more"
    assert CREATE in executed, f"{NEEDED}what a revision executes does not go through _exec"
    path = alembic_internals.revision_path(scripts, Path("/x"), "abc", "Say this", datetime.now(UTC))
    assert re.fullmatch(r"/x/\d{8}_\d{4}_say_this\.py", path.as_posix()), f"{NEEDED}_rev_path gives {path}"
