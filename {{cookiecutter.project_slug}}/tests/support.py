"""Scratch databases for the tests, and what a test asks of one."""

import io
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, event, text
from sqlalchemy.exc import SQLAlchemyError

from database import make_engine
from migrate.alembic_internals import StatementHooks, downgrade_steps, upgrade_steps
from migrate.chain import Revision, project_config, revisions
from migrate.run.settings import Settings
from migrate.run.versions import of_scratch
from migrate.sample import Filled, fill
from postgres import client
from postgres.schema import schema

SAMPLE_ROWS = 500  # of each table; enough that some user has hundreds, and another none

REVISIONS = revisions()
BY_SLUG = {revision.slug: revision for revision in REVISIONS}
BY_ID = {revision.id: revision for revision in REVISIONS}
PARENTS = {parent for revision in REVISIONS for parent in revision.parents}
HEADS = [revision for revision in REVISIONS if revision.id not in PARENTS]

# An SQL expression for a row's number n, by the name of the type, else by its category.
MADE_UP = {
    "jsonb": "'{}'",
    "uuid": "gen_random_uuid()",
    "A": "'{}'",
    "B": "true",
    "D": "now()",
    "N": "n",
    "S": "substr(md5(n || gen_random_uuid()::text), 1, 12)",
}
# The columns that need a value, and SQL for the parent's key where one refers to it.
NEEDED = """
    SELECT attname, typname, typcategory, (
        SELECT format('(SELECT %I FROM %s LIMIT 1)', p.attname, confrelid::regclass) FROM pg_constraint
        JOIN pg_attribute AS p ON p.attrelid = confrelid AND p.attnum = confkey[1]
        WHERE contype = 'f' AND conrelid = c.attrelid AND conkey[1] = c.attnum LIMIT 1
    ) FROM pg_attribute AS c JOIN pg_type AS t ON t.oid = atttypid
    WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped
    AND attnotnull AND NOT atthasdef AND attidentity = ''
    ORDER BY attnum
"""

# A statement that builds an index beside traffic, with the index's name as SQL; and what a build that was
# broken off leaves.
BUILD = re.compile(r'CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?(\w+|"[^"]+")')
INVALIDATE = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:index)"

Rows = dict[str, list[str]]

# Of every schema, less partitions and what belongs to an extension: how a table is called here, and
# the query for its rows.
TABLES = """
    SELECT name,
        format('SELECT %L, to_jsonb(t)::text COLLATE "C" FROM %s AS t', name, c.oid::regclass) AS select
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace,
        concat_ws('.', nullif(nspname, current_schema()), relname) AS name
    WHERE relkind IN ('r', 'p') AND NOT relispartition
    AND relname NOT IN ('alembic_version', 'migrate_history')
    AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e'
    )
    ORDER BY name COLLATE "C"
"""


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

    def upgrade(self, slug: str, settings: Settings | None = None) -> None:
        """Upgrade to the revision."""
        config = self.alembic()
        config.attributes["settings"] = settings
        with _real_errors():
            command.upgrade(config, BY_SLUG[slug].id if slug in BY_SLUG else slug)

    def downgrade(self, slug: str, settings: Settings | None = None) -> None:
        """Undo the revision, and what comes after it."""
        config = self.alembic()
        config.attributes["settings"] = settings
        with _real_errors():
            command.downgrade(config, _below(BY_SLUG[slug]))

    @contextmanager
    def while_it_waits(self, slug: str, direction: str = "upgrade") -> Iterator[None]:
        """Run the revision beside a block, which begins when the revision waits for a lock.

        The block lets go of what it waits for. At its end the revision has ended too, and its
        error, if it had one, is raised.

        Args:
            slug: the revision.
            direction: "upgrade" or "downgrade".
        """
        waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        settings = Settings(lock_timeout=20, patient_lock_timeout=20, attempts=1)
        with ThreadPoolExecutor(1) as thread:
            revision = thread.submit(getattr(self, direction), slug, settings)
            wait_for(lambda: revision.done() or self.query(waits))
            if revision.done():
                revision.result()
            assert not revision.done(), f"{slug} did not wait"
            yield
            revision.result()

    def invalidate(self, index: str) -> None:
        """Leave an index as a concurrent build does that did not come to its end.

        That needs a superuser; for another role nothing is changed.
        """
        if self.value("SHOW is_superuser") == "on":
            self.execute(INVALIDATE, index=index)

    def crash(
        self, slug: str, statements: int, direction: str = "upgrade", *, in_build: bool = False
    ) -> bool:
        """Run the revision, and lose the connection on the way.

        Args:
            slug: the revision.
            statements: after how many of its autocommit block, not counting what the guard puts
                around each; where it has not so many, or none, just before the version is written.
            direction: "upgrade" or "downgrade".
            in_build: where the last of them builds an index concurrently, leave it INVALID.

        Returns:
            Whether it came as far as the version.
        """
        executed = 0
        last = killed_at = ""
        guarding = False
        plain = StatementHooks.plain

        def guard(impl: StatementHooks, statement: str) -> None:
            nonlocal guarding
            guarding = True
            try:
                plain(impl, statement)
            finally:
                guarding = False

        def kill(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
            nonlocal executed, last, killed_at
            if killed_at or guarding or statement.startswith("SET "):  # which is gone with the session
                return
            in_block = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
            writes_version = re.match(r"(INSERT INTO|UPDATE|DELETE FROM) alembic_version", statement)
            if writes_version or (in_block and executed == statements):
                killed_at = "version" if writes_version else "statement"
                pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
                self.value("SELECT pg_terminate_backend(:pid)", pid=pid)
                # Its own way of waiting looks ten times a second.
                wait_for(lambda: not self.query("SELECT FROM pg_stat_activity WHERE pid = :pid", pid=pid))
                if in_build and (built := BUILD.match(last)):
                    self.invalidate(built[1])
            executed += in_block
            last = statement

        config, revision = self.alembic(), BY_SLUG[slug]
        with self.engine.connect() as connection, patch.object(StatementHooks, "plain", guard):
            # This one alone: the lock that keeps other runs away is held by another.
            event.listen(connection, "before_cursor_execute", kill)
            config.attributes["connection"] = connection
            try:
                if direction == "upgrade":
                    command.upgrade(config, revision.id)
                else:
                    command.downgrade(config, _below(revision))
            except (CommandError, SQLAlchemyError):
                if not killed_at:
                    raise
        assert killed_at
        return killed_at == "version"

    def offline_upgrade(self, slug: str) -> None:
        """Run the revision as `alembic upgrade --sql` and psql would."""
        self.psql(offline_script(BY_SLUG[slug], "upgrade"))

    def offline_downgrade(self, slug: str) -> None:
        """Undo the revision as `alembic downgrade --sql` and psql would."""
        self.psql(offline_script(BY_SLUG[slug], "downgrade"))

    def psql(self, script: str) -> str:
        """Run a script that stops at the first error."""
        return client.output(
            "psql", self.url, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", stdin=script
        )

    def execute(self, sql: str, /, **values: Any) -> int:
        """Run one statement, commit, and return how many rows it changed."""
        with self.engine.begin() as connection:
            return connection.execute(text(sql), values).rowcount

    def insert(self, table: str, /, **values: Any) -> Any:
        """Insert one row with these values, and return its id.

        What else the table insists on is made up: each value unique, each parent any that is
        there. So a test says only what it is about, whatever the revision.
        """
        places = {column: f":{column}" for column in values}
        return self.value(self._insert(table, 1, places) + " RETURNING id", **values)

    def insert_many(self, table: str, count: int, /, **expressions: str) -> None:
        """Insert rows with these SQL expressions over their number `n`, the rest made up."""
        self.execute(self._insert(table, count, expressions))

    def _insert(self, table: str, count: int, given: dict[str, str]) -> str:
        columns = dict(given)
        for name, type_, category, parent in self.query(NEEDED, table=f'"{table}"'):
            columns.setdefault(name, parent or MADE_UP.get(type_) or MADE_UP[category])
        if not columns:
            return f'INSERT INTO "{table}" DEFAULT VALUES'
        names = ", ".join(f'"{name}"' for name in columns)
        expressions = ", ".join(columns.values())
        return f'INSERT INTO "{table}" ({names}) SELECT {expressions} FROM generate_series(1, {count}) n'

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

    def plan(self, sql: str) -> str:
        """Return the plan of a query, as EXPLAIN prints it."""
        return "\n".join(self.column(f"EXPLAIN {sql}"))

    def fill(self, rows: int = SAMPLE_ROWS) -> Filled:
        """Put sample rows into the tables that are empty."""
        with self.engine.begin() as connection:
            return fill(connection, rows)

    def tables(self) -> list[str]:
        """Return the names of the tables, with the schema where it is not the default one."""
        return [name for name, _ in self.query(TABLES)]

    def rows(self) -> Rows:
        """Return every row of every table, as JSON, in an order that does not depend on storage."""
        with self.engine.connect() as connection:
            selects = {row.name: row.select for row in connection.execute(text(TABLES))}
            rows: Rows = {table: [] for table in selects}
            if selects:
                query = " UNION ALL ".join(selects.values()) + " ORDER BY 1, 2"
                as_it_is = connection.execution_options(no_parameters=True)
                for table, row in as_it_is.exec_driver_sql(query):
                    rows[table].append(row)
        return rows

    def snapshot(self) -> "Snapshot":
        """Return the schema and the rows."""
        return Snapshot(self.schema(), self.rows())

    def schema(self) -> str:
        """Return the schema, in a form that can be compared."""
        return schema(self.url)


# What the fixtures `before` and `after` are: give one a slug, and it gives a database.
Make = Callable[[str], Database]


@contextmanager
def _real_errors() -> Iterator[None]:
    """Give a test the database's error, in place of the line that a user gets."""
    try:
        yield
    except CommandError as error:
        raise error.__cause__ or error from None


def _below(revision: Revision) -> str:
    return revision.parents[0] if revision.parents else "base"


def _needs(revision: Revision) -> tuple[str, ...]:
    """Return the heads of a database whose next revision is this one.

    These are its parents and what it depends on, less what one of them depends on.
    """
    needed = (*revision.parents, *revision.needs)
    implied = {id_ for other in needed for id_ in BY_ID[other].needs}
    return tuple(id_ for id_ in needed if id_ not in implied)


def offline_script(revision: Revision, direction: str) -> str:
    """Return what `alembic --sql` writes for the revision alone.

    That is `alembic upgrade START:END --sql`, whose START can only be one revision.
    """
    up = direction == "upgrade"
    start, end = (_needs(revision), revision.id) if up else ((revision.id,), _below(revision))
    output = io.StringIO()
    config = of_scratch(project_config())
    config.output_buffer = output
    scripts = ScriptDirectory.from_config(config)
    steps = upgrade_steps if up else downgrade_steps
    with EnvironmentContext(
        config,
        scripts,
        fn=lambda current, _context: steps(scripts, end, current),
        as_sql=True,
        starting_rev=start or "base",
        destination_rev=end,
    ):
        scripts.run_env()
    return output.getvalue()


@dataclass(frozen=True)
class Snapshot:
    """What a database holds at one moment."""

    schema: str
    rows: Rows


class Server:
    """Where scratch databases come from and go."""

    def __init__(self, url: URL, run: str, worker: str) -> None:
        """Keep in mind where to create databases.

        Args:
            url: the server, by a database that exists.
            run: the test run; its workers share the templates.
            worker: which of them this is.
        """
        self.url = url
        # PostgreSQL cuts a name after 63 bytes, without a word.
        self.prefix = f"{(url.database or '')[:20]}_test_{run}_"
        self._worker = worker
        self._engine = make_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._numbers = itertools.count()
        self._scratch: list[str] = []
        self._templates: set[str] = set()

    def create(self, template: str | None = None) -> Database:
        """Create a database: an empty one, or a copy of the one named `template`."""
        name = f"{self.prefix}{self._worker}_{next(self._numbers)}"
        self._scratch.append(name)
        with self._engine.connect() as connection:
            # Copying the files is quicker than logging them, where the disk is not waited for.
            connection.execute(
                text(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}" STRATEGY FILE_COPY')
            )
        return Database(self.url.set(database=name))

    def at(self, heads: Iterable[str], *, rows: bool = True) -> Database:
        """Create a database at some revisions.

        Args:
            heads: the ids of the revisions; none for an empty database.
            rows: with the sample rows, put in when their table came into being and
                carried through every revision since, as in production.
        """
        if rows:
            return self.create(self._template(frozenset(heads)))
        database = self.create()
        for head in heads:
            database.upgrade(head)
        return database

    def before(self, slug: str, *, rows: bool = True) -> Database:
        """Create a database at which the next revision is this one."""
        return self.at(_needs(BY_SLUG[slug]), rows=rows)

    def after(self, slug: str, *, rows: bool = True) -> Database:
        """Create a database at this revision."""
        return self.at([BY_SLUG[slug].id], rows=rows)

    def ready_for(self, slug: str, direction: str) -> Database:
        """Create a database at which the next step is this revision, "upgrade" or "downgrade"."""
        return self.before(slug) if direction == "upgrade" else self.after(slug)

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
        self._drop(names)

    def _template(self, heads: frozenset[str]) -> str | None:
        if not heads:
            return None
        name = f"{self.prefix}{'_'.join(sorted(heads))[:26]}"
        if name in self._templates:
            return name
        # The newest of the heads is applied to a copy of what was before it.
        newest = next(revision for revision in reversed(REVISIONS) if revision.id in heads)
        others = heads - {newest.id} or frozenset(_needs(newest))
        template = self._template(others)
        with self._engine.connect() as connection:
            # Another worker may be at it, or have done it.
            connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": name})
            known = text("SELECT 1 FROM pg_database WHERE datname = :name")
            if not connection.scalar(known, {"name": name}):
                database = self.create(template)
                database.upgrade(newest.slug)
                database.fill()
                connection.execute(text(f'ALTER DATABASE "{database.url.database}" RENAME TO "{name}"'))
                self._scratch.pop()
        self._templates.add(name)
        return name

    def _drop(self, names: Iterable[str]) -> None:
        with self._engine.connect() as connection:
            for name in names:
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition holds, and fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
