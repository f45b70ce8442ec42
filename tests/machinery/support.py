"""Scratch databases and chains for the tests, and Alembic on them, in this process or one of its own."""

import io
import itertools
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from alembic import command
from alembic.config import CommandLine, Config
from sqlalchemy import URL, Engine, NullPool, text

from database import ROOT, make_engine
from migrate.__main__ import main as migrate
from migrate.chain import project_config, revisions
from migrate.run.settings import Settings
from migrate.run.versions import of_scratch
from migrate.target import scratch_server
from postgres import client, embedded
from postgres.schema import schema
from tests.machinery.backend import RUN, SCHEMA

REVISIONS = revisions()
HEAD = REVISIONS[-1].id

Chain = Callable[..., Path]
Rows = dict[str, list[str]]
OwnServer = embedded.Server

TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname NOT IN ('alembic_version', 'migrate_history') ORDER BY 1
"""
SESSIONS = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Snapshot:
    """What a database holds at one moment."""

    schema: str
    rows: Rows


@dataclass
class Database:
    """One scratch database."""

    url: URL
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        # No pool: a database with an open connection can be neither cloned nor dropped.
        self.engine = make_engine(self.url, poolclass=NullPool)

    def alembic(self, output: io.StringIO | None = None) -> Config:
        """Return a configuration for Alembic's commands that runs on this database."""
        config = of_scratch(project_config())
        config.attributes["connection"] = self.engine
        if output is not None:
            config.stdout = config.output_buffer = output
        return config

    def upgrade(self, to: str = "head", settings: Settings | None = None) -> None:
        """Upgrade to the revision."""
        config = self.alembic()
        config.attributes["settings"] = settings
        command.upgrade(config, to)

    def downgrade(self, to: str) -> None:
        """Undo what comes after the revision."""
        command.downgrade(self.alembic(), to)

    def psql(self, script: str) -> str:
        """Run a script that stops at the first error."""
        return client.output(
            "psql", self.url, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", stdin=script
        )

    def fill(self) -> None:
        """Put rows into the tables of the fixed schema at head."""
        self.psql((SCHEMA / "rows.sql").read_text(encoding="utf-8"))

    def execute(self, sql: str, /, **values: Any) -> int:
        """Run one statement, commit, and return how many rows it changed."""
        with self.engine.begin() as connection:
            return connection.execute(text(sql), values).rowcount

    def query(self, sql: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of one statement."""
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def value(self, sql: str, /, **values: Any) -> Any:
        """Return the one value of one statement."""
        [[value]] = self.query(sql, **values)
        return value

    def column(self, sql: str, /, **values: Any) -> list[Any]:
        """Return the one column of one statement."""
        return [value for (value,) in self.query(sql, **values)]

    def heads(self) -> list[str]:
        """Return the revisions that the database is at."""
        return self.column("SELECT version_num FROM alembic_version ORDER BY 1")

    def tables(self) -> list[str]:
        """Return the names of the tables."""
        return self.column(TABLES)

    def running(self, pattern: str) -> list[int]:
        """Return the sessions that are at a statement that is LIKE this."""
        return self.column(SESSIONS + "AND state = 'active' AND query LIKE :pattern", pattern=pattern)

    def rows(self) -> Rows:
        """Return every row of every table, as JSON, in an order that does not depend on storage."""
        with self.engine.connect() as connection:
            rows: Rows = {table: [] for table in connection.scalars(text(TABLES))}
            selects = [
                f"""SELECT '{table}', to_jsonb(t)::text COLLATE "C" FROM "{table}" AS t""" for table in rows
            ]
            if selects:
                for table, row in connection.execute(text(" UNION ALL ".join(selects) + " ORDER BY 1, 2")):
                    rows[table].append(row)
        return rows

    def schema(self) -> str:
        """Return the schema, in a form that can be compared."""
        return schema(self.url)

    def snapshot(self) -> Snapshot:
        """Return the schema and the rows."""
        return Snapshot(self.schema(), self.rows())


class Server:
    """Where scratch databases come from and go."""

    def __init__(self) -> None:
        self.url = scratch_server()
        # Short: PostgreSQL cuts a name after 63 bytes, and a restore adds "_restored_" and the time.
        self.prefix = f"{(self.url.database or '')[:8]}_test_{RUN}_"
        self._worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self._engine = make_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._numbers = itertools.count()
        self._scratch: list[str] = []

    def create(self, template: str | None = None, *, kept: bool = False) -> Database:
        """Create a database.

        Args:
            template: the one to copy; by default it is empty.
            kept: until the end of the run, and not only of the test.
        """
        name = f"{self.prefix}{self._worker}_{next(self._numbers)}"
        if not kept:
            self._scratch.append(name)
        with self._engine.connect() as connection:
            # Copying the files is quicker than logging them, where the disk is not waited for.
            connection.execute(
                text(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}" STRATEGY FILE_COPY')
            )
        return Database(self.url.set(database=name))

    def head(self) -> Database:
        """Create a database at head, with rows: a copy of one that was migrated once for the run."""
        template = f"{self.prefix}head"
        with self.alone("head") as connection:
            known = text("SELECT 1 FROM pg_database WHERE datname = :name")
            if not connection.execute(known, {"name": template}).first():
                database = self.create(kept=True)
                database.upgrade()
                database.fill()
                connection.execute(text(f'ALTER DATABASE "{database.url.database}" RENAME TO "{template}"'))
        return self.create(template)

    @contextmanager
    def alone(self, what: str) -> Iterator[Any]:
        """Keep the other workers away from something that the server has once."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": self.prefix + what})
            yield connection

    def drop_scratch(self) -> None:
        """Drop the databases that tests have done with, by the dozen: each time is a checkpoint."""
        if len(self._scratch) >= 24:
            self._drop(self._scratch)
            self._scratch.clear()

    def drop_all(self) -> None:
        """Drop every database of the run."""
        with self._engine.connect() as connection:
            names = connection.scalars(
                text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)"),
                {"prefix": self.prefix},
            ).all()
        self._drop(list(names))

    def _drop(self, names: list[str]) -> None:
        with self._engine.connect() as connection:
            for name in names:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@contextmanager
def server_of_ones_own(
    name: str = "own", *, options: str = "", binaries: Path | None = None, standby_of: OwnServer | None = None
) -> Iterator[OwnServer]:
    """Run one more embedded server, which loses nothing, and remove it at the end.

    Args:
        name: of its folder; two at a time need two.
        options: settings, such as "-c wal_level=logical".
        binaries: the folder of its programs, where they are not the embedded package's.
        standby_of: the server that it is a copy of, and that it follows through a slot.
    """
    with embedded._server("test") as shared:
        home = shared.home.with_name(f"{name}_{os.getpid()}")
        home.mkdir(mode=0o700)
        server = replace(shared, home=home, options=f" {options}", binaries=binaries or shared.binaries)
        if server.user:
            shutil.chown(home, server.user)
    try:
        if standby_of:
            follow(server, standby_of)
        server.start()
        yield server
    finally:
        if server.port():
            server.stop()
        shutil.rmtree(home)


def follow(standby: OwnServer, primary: OwnServer) -> None:
    """Give a standby a copy of a server's data, what to follow it by, and its password."""
    shutil.copy2(primary.home / "password", standby.home)
    address = client.libpq_url(database_of(primary).url)
    standby.execute(
        "pg_basebackup", "--pgdata=data", f"--dbname={address}", "--checkpoint=fast",
        "--write-recovery-conf", "--create-slot", f"--slot={standby.home.name}",
    )  # fmt: skip


def database_of(server: OwnServer) -> Database:
    return Database(
        URL.create("postgresql+psycopg", "postgres", server.password, "127.0.0.1", server.port(), "postgres")
    )


def write_chain(folder: Path, *statements: str) -> Path:
    """Write a chain of one's own, r0, r1 and so on, a revision for each SQL text.

    A text that begins with "AUTOCOMMIT" runs in an autocommit block. One with dollar quotes is
    one statement, any other ends its statements by semicolons.

    Returns:
        The path of its alembic.ini.
    """
    versions = folder / "versions"
    versions.mkdir()
    for number, statement in enumerate(statements):
        plain = statement.removeprefix("AUTOCOMMIT")
        parts = [plain] if "$$" in plain else plain.split(";")
        sql = [part.strip() for part in parts if part.strip()]
        body = "\n".join(f"        op.execute({part!r})" for part in sql)
        autocommit = statement.startswith("AUTOCOMMIT")
        block = "op.get_context().autocommit_block()" if autocommit else "nullcontext()"
        down = repr(f"r{number - 1}") if number else None
        (versions / f"r{number}.py").write_text(
            "from contextlib import nullcontext\nfrom alembic import op\n"
            f"revision = 'r{number}'\ndown_revision = {down}\n"
            f"def upgrade():\n    with {block}:\n{body}\ndef downgrade():\n    pass\n"
        )
    ini = folder / "alembic.ini"
    original = (ROOT / "alembic.ini").read_text().replace("%(here)s/alembic/versions", versions.as_posix())
    ini.write_text(original.replace("%(here)s", ROOT.as_posix()))
    return ini


def python(ini: Path, code: str, revision: str = "r1") -> Path:
    """Have the upgrade of a revision, whose SQL was SELECT 1, run this code."""
    path = ini.parent / "versions" / f"{revision}.py"
    path.write_text(path.read_text().replace("op.execute('SELECT 1')", code.replace("\n", "\n        ")))
    return ini


def environment(database: Database | URL | str, **more: str) -> dict[str, str]:
    """Return the environment of a program that works on the database, and knows of no other."""
    url = database.url if isinstance(database, Database) else database
    given = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MIGRAT", "DATABASE_URL"))}
    return {**inherited, "PYTHONPATH": str(ROOT), "DATABASE_URL": given, **more}


def start(
    database: Database, *arguments: str, ini: Path = ROOT / "alembic.ini", **more: str
) -> subprocess.Popen[str]:
    """Start `alembic ARGUMENTS` on the database, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "alembic", "-c", str(ini), *arguments],
        env=environment(database, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    database: Database, *arguments: str, ini: Path = ROOT / "alembic.ini", **more: str
) -> tuple[int, str]:
    """Run `alembic ARGUMENTS` on the database; return the exit code and what it said."""
    with here(environment(database, **more)) as (_, errors):
        code = exit_code(lambda: CommandLine(prog="alembic").main(["-c", str(ini), *arguments]))
    return code, errors.getvalue()


def program(module: str, *arguments: str, url: URL | str, **more: str) -> subprocess.CompletedProcess[str]:
    """Do what `python -m MODULE ARGUMENTS` does in the backend's folder; the module is alembic or migrate.

    What Alembic itself prints on standard output is not in what is returned.
    """
    main = CommandLine(prog="alembic").main if module == "alembic" else migrate
    with here(environment(url, **more)) as (output, errors):
        code = exit_code(lambda: main(arguments))
    return subprocess.CompletedProcess([module, *arguments], code, output.getvalue(), errors.getvalue())


def process(
    *command: str, url: URL | str, folder: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run `python -m COMMAND` in the folder, as a process of its own."""
    environ = environment(url, PYTHONPATH=str(folder), **more)
    return subprocess.run(
        [sys.executable, "-m", *command], env=environ, cwd=folder, capture_output=True, text=True
    )


def exit_code(program: Callable[[], int | None]) -> int:
    """Run the main function of a program, and return what it exits with."""
    try:
        return program() or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)


@contextmanager
def here(
    environ: dict[str, str], *, together: bool = False, folder: Path = ROOT
) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Have this process be like a new one: a start of Python takes a second, most of a test's time.

    Args:
        environ: the environment.
        together: whether standard output and errors are one stream.
        folder: the working directory.

    Returns:
        What is printed, and what is printed as errors.
    """
    output = io.StringIO()
    errors = output if together else io.StringIO()
    before = Path.cwd()
    loggers = [logging.getLogger(name) for name in (None, *logging.root.manager.loggerDict)]
    logging_before = [(each, each.level, each.handlers[:], each.propagate) for each in loggers]
    os.chdir(folder)
    logging.root.handlers = []  # pytest's; env.py leaves a program's logging alone
    try:
        with (
            mock.patch.dict(os.environ, environ, clear=True),
            open(os.devnull) as nothing,  # noqa: PTH123
            mock.patch.object(sys, "stdin", nothing),
            redirect_stdout(output),
            redirect_stderr(errors),
        ):
            yield output, errors
    finally:
        os.chdir(before)
        for each, level, handlers, propagate in logging_before:
            for handler in set(each.handlers) - set(handlers):
                handler.close()
            each.setLevel(level)
            each.handlers, each.propagate = handlers, propagate


def upgrade_despite_kills(database: Database, seed: int, ini: Path = ROOT / "alembic.ini") -> None:
    """Start `alembic upgrade head`, and kill it at work, until one comes to the end."""
    chance = random.Random(seed)
    for kills in itertools.count():
        process = start(database, "upgrade", "head", ini=ini)
        # From the moment that it is there: however slow the machine is, it is killed in its work.
        wait_for(partial(at_work, process, database), 120)
        try:
            process.communicate(timeout=chance.uniform(0, 0.5) * 1.2**kills if kills else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        else:
            break
    print(f"seed {seed}: {kills} kills")
    assert process.returncode == 0
    assert kills


def at_work(process: subprocess.Popen[str], database: Database) -> bool:
    """Whether the process has connected to the database, or has ended."""
    return process.poll() is not None or bool(database.query(SESSIONS))


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition holds, and fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def closed_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])
