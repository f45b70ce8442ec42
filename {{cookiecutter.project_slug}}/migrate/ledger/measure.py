"""What each revision does to the tables that existed before it, measured on a server.

Every revision runs on a scratch database that is at the revision before, with sample rows in its
tables. Each of its statements is measured on its own:

- Its locks. Inside a transaction `pg_locks` shows all of them at the statement's end. A statement
  that commits as it goes, or rolls back to a savepoint, is watched by holders (holders.py). The lock
  of an index counts if it blocks more than the lock of its table (ATTACH PARTITION, REINDEX),
  because the planner of a query opens every index of a table. Holders cannot watch an index.
- Rewrites: the table has another file than before. An index that was built has a new file too.
- Full scans, by the server's counters: a statement has read every row at once. DDL reads what it
  must. A query reads what the planner decides, and that must not depend on the small number of
  sample rows. So the planner may scan a table only if no index can serve, as it would with many rows.

A scan is recorded with the strongest lock that is held when its statement ends. If the statement
commits as it goes, that may be a lock of another of its transactions.

The locks depend on the sample rows: a trigger or a foreign key locks nothing if no row sets it off.
A statement that does not go through SQLAlchemy, but through a cursor of the driver, is not measured
on its own: only the locks show that are still held at the transaction's end.
"""

import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psycopg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import sql
from psycopg.errors import ActiveSqlTransaction, InvalidTransactionTermination
from sqlalchemy import URL, NullPool, event
from sqlalchemy.exc import SQLAlchemyError

from database import make_engine
from migrate.chain import Revision, project_config, revisions, with_ancestors
from migrate.ledger.catalogue import Catalogue, Holdings, Relation, State, root, whole
from migrate.ledger.holders import Pool, Watch
from migrate.ledger.locks import MODES, WRITING, blocked_by, stronger
from migrate.run.connection import connect
from migrate.run.failures import first_cause, one_line
from migrate.run.settings import Settings
from migrate.run.versions import of_scratch
from migrate.sample import fill
from migrate.scripts import scripts_of
from migrate.target import scratch_server
from postgres.scratch import scratch_database

SAMPLE_ROWS = 500  # of each table; the measurements do not depend on it

# How many characters of a statement are kept.
TEXT = 100

# With fewer rows than these, a full scan of an index cannot be told from a short one.
FEW_ROWS = 10

NOTHING = Holdings({}, {}, frozenset(), {}, frozenset())

# No limit ends our waits. No parallel worker reads rows: they would not count as ours.
SESSION = """
    SET lock_timeout = 0; SET statement_timeout = 0;
    SET max_parallel_workers_per_gather = 0; SET max_parallel_maintenance_workers = 0
"""
# Statements for which the planner chooses: it may scan a table only if no index can serve.
# (For count(*) it could scan the whole index instead, which is no better.)
PLANNED = re.compile(
    r"(--[^\n]*\n|/\*.*?\*/|\s)*(DO|CALL|SELECT|WITH|INSERT|UPDATE|DELETE|MERGE)\b"
    r"(?!.*\b(FOREIGN\s+KEY|REFERENCES|VALIDATE\s+CONSTRAINT)\b)",
    re.IGNORECASE | re.DOTALL,
)
INDEX_FIRST = """
    SET enable_seqscan = off; SET enable_indexonlyscan = off;
    SET enable_indexscan = on; SET enable_bitmapscan = on
"""
# DDL that runs a query (the check of a foreign key) must read every row, with or without an index.
NO_INDEX = """
    SET enable_seqscan = on; SET enable_indexonlyscan = off;
    SET enable_indexscan = off; SET enable_bitmapscan = off
"""

# A PL/pgSQL block with an exception handler may roll back, and then pg_locks no longer shows its locks.
ROLLS_BACK = re.compile(r"\bEXCEPTION\s+WHEN\b", re.I)


class MeasureError(CommandError):
    """A revision cannot be measured. The message is one line, and says which revision and why.

    Attributes:
        revision: the one that failed; None if no revision did.
    """

    def __init__(self, message: str, revision: Revision | None = None) -> None:
        super().__init__(message)
        self.revision = revision


Rows = dict[str, Counter[str]]


@dataclass
class Statement:
    """What one statement did to the tables that existed before the revision.

    Attributes:
        locks: the strongest mode on each table, held at the statement's end or asked for before; also
            on an index, if traffic waits for it and not for its table.
        rewritten: the tables that were rewritten.
        scanned: the tables that were scanned in full, other than to rewrite or to index them.
        read: all tables that were scanned in full.
        built: the table of each index that was built, other than by a rewrite.
        written: the tables in which rows were written.
        indexes: the table of each index in `locks`.
        changed: how many rows it updated or deleted, by table; those of partitions are their table's.
        removed: by how many rows it left a table smaller.
        dropped: the table of each index that is gone, where the table itself is there.
        commits: whether it is not one transaction.
        text: its beginning, in one line.
    """

    locks: dict[str, str]
    rewritten: list[str] = field(default_factory=list)
    scanned: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    built: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    commits: bool = False
    text: str = ""

    @property
    def strongest(self) -> str | None:
        return max(self.locks.values(), key=MODES.index, default=None)


@dataclass(frozen=True)
class Timing:
    """How long one statement took, and over how many rows it went.

    Attributes:
        seconds: without what measures it.
        rows: how many were read or written, of each table; those of partitions are their table's.
        sorts: whether it built an index, if only by a rewrite.
        alone: whether it is a transaction of its own, or more than one.
    """

    seconds: float
    rows: dict[Relation, int]
    sorts: bool
    alone: bool

    @classmethod
    def of(cls, seconds: float, before: State, after: State, *, alone: bool) -> "Timing":
        """Return the timing of a statement, by what was counted before and after it."""
        rows: Counter[Relation] = Counter()
        for oid, relation in after.items():
            read, written = relation.rows_read, relation.rows_written
            if was := before.get(oid):
                read, written = read - was.rows_read, written - was.rows_written
            if read + written:
                rows[root(relation, after)] += read + written
        files = {relation.file for relation in before.values()}
        sorts = any(each.kind == "i" and each.file not in files for each in after.values())
        return cls(seconds, dict(rows), sorts, alone)


@dataclass
class Run:
    """What one direction of a revision did.

    Attributes:
        direction: "upgrade" or "downgrade".
        statements: what each statement did.
        timings: how long each statement took.
        autocommit: whether it ran outside of a transaction, or in more than one.
        left: what is not valid after it, and was before or is new: "unvalidated fk_…", "invalid idx_…".
        seconds: how long it took.
        blocked_seconds: the longest time for which it held a lock that blocks reads or writes.
        parents: the partitioned table of each partition.
        rows: how many rows each table had before it.
        sql: the statements as they were sent.
        before, after: the tables, columns and labels before it, and after it.
        held: the rows before an upgrade or after a downgrade, if they are compared.
    """

    direction: Literal["upgrade", "downgrade"]
    statements: list[Statement] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    autocommit: bool = False
    parents: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    sql: list[str] = field(default_factory=list)
    before: Holdings = NOTHING
    after: Holdings = NOTHING
    held: Rows = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    seconds: float = 0.0
    blocked_seconds: float = 0.0

    @property
    def locks(self) -> dict[str, str]:
        """The strongest mode on each table, the strongest first.

        A partition is left out if it is locked in the same mode as its partitioned table.
        """
        found: dict[str, str] = {}
        for statement in self.statements:
            for table, mode in statement.locks.items():
                found[table] = stronger(found.get(table), mode)
        of_parents = {table: found.get(self.parents.get(table, "")) for table in found}
        apart = {table: mode for table, mode in found.items() if of_parents[table] != mode}
        return dict(sorted(apart.items(), key=lambda item: (-MODES.index(item[1]), item[0])))

    @property
    def waits(self) -> dict[str, tuple[str, str]]:
        """By table, what waits, "reads" (and writes) or "writes", and in which statement first."""
        found: dict[str, tuple[str, str]] = {}
        for relation, mode in self.locks.items():
            if waits := blocked_by(mode):
                first = next(s for s in self.statements if s.locks.get(relation) == mode)
                # The strongest lock comes first.
                found.setdefault(first.indexes.get(relation, relation), (waits, first.text))
        return found

    @property
    def rewritten(self) -> list[str]:
        return sorted({table for statement in self.statements for table in statement.rewritten})

    @property
    def read(self) -> dict[str, str]:
        """By table that was scanned in full, the strongest mode that was held meanwhile, on any table."""
        found: dict[str, str] = {}
        for statement in self.statements:
            for table in statement.read:
                found[table] = stronger(found.get(table), statement.strongest or MODES[0])
        return dict(sorted(found.items()))

    @property
    def built(self) -> dict[str, str]:
        """By index that was built, the mode in which its table was locked meanwhile."""
        return dict(
            sorted(
                (index, statement.locks.get(table, MODES[0]))
                for statement in self.statements
                for index, table in statement.built.items()
            )
        )

    @property
    def written(self) -> list[str]:
        return sorted({table for statement in self.statements for table in statement.written})


def all_read(before: Relation, after: Relation, rows: int) -> bool:
    """Whether each scan of an index read all rows of its table."""
    scans = after.scans - before.scans
    return scans > 0 and rows >= FEW_ROWS and after.rows_read - before.rows_read >= rows * scans


@dataclass
class Entry:
    """A revision, and its measurements."""

    revision: Revision
    upgrade: Run
    downgrade: Run | None  # None: it is irreversible


def measure(
    config: Config | None = None,
    *,
    start: str | None = None,
    rows: int = SAMPLE_ROWS,
    timed: bool = False,
    compare: bool = False,
    server: URL | None = None,
    progress: Callable[[int, int, Revision | None], None] = lambda *_: None,
) -> tuple[list[Entry], list[str]]:
    """Run the chain on a scratch database, and measure each revision.

    Args:
        config: Alembic's; by default that of `alembic.ini`.
        start: the revision to begin with, by its id or the beginning of it; those before it
            are only run. By default the first.
        rows: how many sample rows a table gets.
        timed: measure how long upgrades take and locks are held. Then the planner is not changed,
            scans are not measured, and downgrades do not run.
        compare: note the rows before each upgrade, and after its downgrade.
        server: the server for the database; by default `migrate.target.scratch_server()`.
        progress: called before each revision with the number done, the number of all, and the
            revision; at the end with None as the revision.

    Returns:
        An entry for each revision from `start` on, and the constraints and indexes that are not valid
        at head: "unvalidated fk_…", "invalid idx_…".

    Raises:
        MeasureError: a revision failed, or the server has too few connections.
        CommandError: there is no revision `start`, or no server.
    """
    scripts = scripts_of(config or project_config())
    chain = revisions(scripts)
    first = 0
    if start is not None:
        script = scripts.get_revision(start)
        ids = [revision.id for revision in chain]
        first = ids.index(script.revision) if script else 0
    entries = []
    with _session(scripts, config, server, rows, timed=timed) as session:
        for number, revision in enumerate(chain):
            progress(number, len(chain), revision)
            if number < first:
                session.move(revision, "upgrade", observed=False)
                session.fill()
                continue
            entries.append(session.both_ways(revision, compare=compare))
        progress(len(chain), len(chain), None)
        return entries, session.unfinished()


def measure_one(
    revision: Revision, scripts: ScriptDirectory, config: Config | None = None
) -> tuple[Entry, list[str]]:
    """Run a chain up to one revision, and measure that one.

    Args:
        revision: which.
        scripts: the chain that it is in.
        config: Alembic's; by default that of `alembic.ini`.

    Returns:
        What was measured, with the rows before it and after its downgrade; and what of it is not valid
        at head.

    Raises:
        MeasureError: it failed, or one before it.
        CommandError: there is no server.
    """
    chain = {each.id: each for each in revisions(scripts)}
    below = with_ancestors(revision, chain)
    with _session(scripts, config) as session:
        for each in (each for id_, each in chain.items() if id_ in below and id_ != revision.id):
            session.move(each, "upgrade", observed=False)
            session.fill()
        entry = session.both_ways(revision, compare=True)
        if entry.upgrade.left:  # does a later revision finish it?
            for each in (each for id_, each in chain.items() if id_ not in below):
                session.move(each, "upgrade", observed=False)
                session.fill()
        return entry, session.unfinished()


@contextmanager
def _session(
    scripts: ScriptDirectory,
    config: Config | None,
    server: URL | None = None,
    rows: int = SAMPLE_ROWS,
    *,
    timed: bool = False,
) -> Iterator["Session"]:
    """Yield a session on a scratch database. Raises CommandError where there is no server."""
    server = server or scratch_server()
    with connect(make_engine(server, poolclass=NullPool)):
        pass  # or one clear line says why not
    with scratch_database(server) as url, closing(Session(url, scripts, config, rows, timed)) as session:
        yield session


class Session:
    """The connection on which revisions run and are measured."""

    def __init__(
        self, url: URL, scripts: ScriptDirectory, config: Config | None, rows: int, timed: bool
    ) -> None:
        self._scripts, self._rows, self._timed = scripts, rows, timed
        self._config_file = config.config_file_name if config else project_config().config_file_name
        self._pool = Pool(url)
        engine = make_engine(url, poolclass=NullPool)
        self._connection = engine.connect()
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        self._driver: psycopg.Connection[tuple[Any, ...]] = driver
        self._catalogue = Catalogue(driver)
        self._run: Run | None = None
        self._compare = False
        self._version_table: tuple[str | None, str] = (None, "")
        self._tables: State = {}
        self._indexes: State = {}
        self._rows_of: dict[int, int] = {}
        self._filled: set[int] = set()
        self._not_filled: set[str] = set()
        self._started = 0.0
        self._blocked_since: float | None = None
        for name in ("do_execute", "do_execute_no_params", "do_executemany"):
            event.listen(engine, name, self._listener(name))
        self._driver.execute(SESSION)
        self._driver.commit()

    def close(self) -> None:
        """End the connections."""
        self._pool.close()
        self._connection.close()

    def both_ways(self, revision: Revision, *, compare: bool = False) -> Entry:
        """Measure a revision, and have it applied at the end.

        Args:
            revision: whose parents the database is at.
            compare: note the rows before it, and after its downgrade.

        Raises:
            MeasureError: it failed.
        """
        self._compare = compare
        held = self._all_rows() if compare else {}
        self._driver.rollback()  # it keeps no lock
        upgrade = self.move(revision, "upgrade")
        upgrade.held = held
        self.fill()
        downgrade = None
        if not self._timed and revision.reversible:
            if revision.autocommit("downgrade"):
                downgrade = self.move(revision, "downgrade")
                self.move(revision, "upgrade", observed=False)
            else:
                downgrade = self.move(revision, "downgrade", keep=False)
        return Entry(revision, upgrade, downgrade)

    def move(
        self,
        revision: Revision,
        direction: Literal["upgrade", "downgrade"],
        *,
        observed: bool = True,
        keep: bool = True,
    ) -> Run:
        """Upgrade to a revision, or downgrade from it.

        Args:
            revision: the revision; for an upgrade the database is at its parents, for a downgrade at it.
            direction: "upgrade" or "downgrade".
            observed: measure it.
            keep: commit it; else roll it back.

        Raises:
            MeasureError: it failed.
        """
        if direction == "upgrade":
            step = MigrationStep.upgrade_from_script(self._scripts.revision_map, revision.script)
        else:
            step = MigrationStep.downgrade_from_script(self._scripts.revision_map, revision.script)
        run = Run(direction)
        self._count_rows()
        if observed:
            step.migration_fn = self._observing(step, run)
        try:
            if keep:
                self._alembic(step)
            else:
                with self._connection.begin() as transaction:
                    self._alembic(step)
                    transaction.rollback()
        except (SQLAlchemyError, CommandError, psycopg.Error) as error:
            reason = one_line(first_cause(error))
            raise MeasureError(
                f"{direction} of {revision.path.name} failed while it was measured: {reason}", revision
            ) from error
        except Exception as error:  # a bug in the revision's code: show the line
            raise MeasureError(
                f"{direction} of {revision.path.name}{_line_in(revision.path, error)} failed while it was "
                f"measured: {type(error).__name__}: {one_line(error)}",
                revision,
            ) from error
        finally:
            self._run = None
            with suppress(SQLAlchemyError, psycopg.Error):
                self._connection.rollback()
        self._end_of_transaction(run)
        run.seconds = time.monotonic() - self._started
        return run

    def fill(self) -> None:
        """Put sample rows into new tables."""
        tables = set(self._user_tables())
        if tables - self._filled:
            self._driver.rollback()
            failed = fill(self._connection, self._rows).failed
            self._connection.commit()
            for table in failed.keys() - self._not_filled:
                print(f"warning: {table} is measured without rows: {failed[table]}", file=sys.stderr)
            self._not_filled |= failed.keys()
            self._filled = tables
        self._driver.rollback()

    def unfinished(self) -> list[str]:
        """Return the constraints and indexes that are not valid."""
        found = self._catalogue.unfinished()
        self._driver.rollback()
        return found

    def _alembic(self, step: RevisionStep) -> None:
        # env.py decides how revisions run. It gets no destination, so the guard of a real run does
        # nothing: this session is alone on the database.
        config = of_scratch(Config(self._config_file))
        config.attributes["connection"] = self._connection
        config.attributes["settings"] = Settings(lock_timeout=0)
        with EnvironmentContext(config, self._scripts, fn=partial(self._take, step)):
            self._scripts.run_env()

    def _take(self, step: RevisionStep, _heads: object, context: MigrationContext) -> list[RevisionStep]:
        context.opts["settings"] = None  # without the guard: its statements are not the revision's
        schema = context.version_table_schema or self._catalogue.default_schema
        self._version_table = schema, context.version_table
        return [step]

    def _observing(self, step: RevisionStep, run: Run) -> Callable[..., Any]:
        function = step.migration_fn

        def observed(**options: Any) -> None:
            self._tables = self._user_tables()
            self._indexes = self._user_indexes(self._catalogue.state())
            unfinished = set(self._catalogue.unfinished())
            run.parents = {
                table.name: self._tables[table.parent].name
                for table in self._tables.values()
                if table.parent in self._tables
            }
            run.rows = self._by_table(self._rows_of)
            run.before = self._catalogue.holdings(self._tables)
            self._run, self._started, self._blocked_since = run, time.monotonic(), None
            function(**options)
            if not self._driver.autocommit:  # deferred checks take their locks now
                self._connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            self._run = None
            run.left = [name for name in self._catalogue.unfinished() if name not in unfinished]
            run.after = self._catalogue.holdings(self._user_tables())
            if self._compare:
                run.held = self._all_rows()

        return observed

    def _listener(self, name: str) -> Callable[..., bool | None]:
        """Return the function that SQLAlchemy calls instead of a method of its dialect."""

        def execute(cursor: psycopg.Cursor[Any], statement: str, *rest: Any) -> bool | None:
            if self._run is None or cursor.connection is not self._driver:
                return None  # not a statement to measure
            method = cursor.executemany if name == "do_executemany" else cursor.execute
            self._observe(self._run, statement, lambda: method(statement, *rest[:-1]))
            return True

        return execute

    def _observe(self, run: Run, statement: str, execute: Callable[[], object]) -> None:
        if not self._driver.autocommit:
            self._observe_inside(run, statement, execute)
            return
        run.autocommit = True
        self._end_of_transaction(run)
        try:
            # In a transaction of its own, it does the same, and its locks stay until they are read.
            self._driver.execute("BEGIN")
            self._observe_inside(run, statement, execute)
            self._driver.execute("COMMIT")
            self._end_of_transaction(run)
        except (ActiveSqlTransaction, InvalidTransactionTermination):  # it cannot run in a transaction
            self._driver.execute("ROLLBACK")
            self._blocked_since = None
            self._observe_outside(run, statement, execute)
        except BaseException:
            self._driver.execute("ROLLBACK")
            raise

    def _observe_inside(self, run: Run, statement: str, execute: Callable[[], object]) -> None:
        self._plan(statement)
        before = self._catalogue.state("xact_")
        if run.autocommit:  # the objects of earlier statements are in use already
            self._indexes = self._user_indexes(before)
        started = time.monotonic()
        if ROLLS_BACK.search(statement):
            held = {oid: max(modes, key=MODES.index) for oid, modes in self._held().items()}
            with self._watch(self._tables, held) as watch:
                execute()
                took = time.monotonic() - started
            locks = watch.asked
        else:
            execute()
            took = time.monotonic() - started
            locks = {oid: max(modes, key=MODES.index) for oid, modes in self._held().items()}
        written = {oid for oid, modes in self._held().items() if WRITING in modes}
        after = self._catalogue.state("xact_")
        run.timings.append(Timing.of(took, before, after, alone=self._driver.autocommit))
        found = self._note(run, statement, locks, written, before, after)
        self._add_indexes(found, locks)
        if self._blocked_since is None and any(map(blocked_by, found.locks.values())):
            self._blocked_since = started

    def _observe_outside(self, run: Run, statement: str, execute: Callable[[], object]) -> None:
        self._plan(statement)
        before = self._catalogue.state(flush=True)
        started = time.monotonic()
        with self._watch({oid: before[oid] for oid in self._tables if oid in before}, {}) as watch:
            execute()  # it holds no lock yet: earlier statements are committed
            took = time.monotonic() - started
        if any(map(blocked_by, watch.asked.values())):
            self._blocked_since = started  # an upper limit: it may have been shorter
            self._end_of_transaction(run)
        written = {oid for oid, mode in watch.asked.items() if mode == WRITING}
        after = self._catalogue.state(flush=True)
        run.timings.append(Timing.of(took, before, after, alone=True))
        found = self._note(run, statement, watch.asked, written, before, after)
        found.commits = True

    def _add_indexes(self, found: Statement, locks: Mapping[int, str]) -> None:
        """Add the indexes that traffic waits for, if it does not wait for their tables."""
        for oid, modes in self._catalogue.held().items():
            if index := self._indexes.get(oid):
                mode, of_table = max(modes, key=MODES.index), locks.get(index.table, MODES[0])
                if blocked_by(mode) not in (None, blocked_by(of_table)):
                    found.locks[index.name] = mode
                    found.indexes[index.name] = self._tables[index.table].name

    def _note(
        self, run: Run, text: str, locks: Mapping[int, str], written: set[int], before: State, after: State
    ) -> Statement:
        """Add to a run what one statement did, and return that.

        Args:
            run: the run.
            text: the statement.
            locks: the strongest mode that it held or asked for, by table.
            written: the tables that it locked to write rows, even if it wrote none; the counters show
                others.
            before: tables and indexes before it.
            after: tables and indexes after it.
        """
        found = Statement(
            {self._tables[oid].name: mode for oid, mode in locks.items()}, text=_beginning(text)
        )
        run.statements.append(found)
        run.sql.append(text)
        files = {relation.file for relation in before.values()}
        rewritten, read, scanned = set(), set(), set()
        changed, removed = {}, {}
        for oid in self._tables.keys() & before.keys() & after.keys():
            was, is_ = before[oid], after[oid]
            indexes = [relation for relation in after.values() if relation.table == oid]
            built = [index for index in indexes if index.kind == "i" and index.file not in files]
            rows, read_rows = self._rows_of.get(oid, 0), is_.rows_read - was.rows_read
            self._rows_of[oid] = rows + is_.rows_added - was.rows_added
            rows = min(rows, self._rows_of[oid])
            # A scan of a range of blocks counts its rows, and no scan.
            scans = is_.scans - was.scans or int(read_rows >= rows > 0)
            by_index = any(all_read(before[i.oid], i, rows) for i in indexes if i.oid in before)
            if is_.file != was.file:
                rewritten.add(oid)
            else:
                found.built.update(_named(index, is_, before, after) for index in built)
            if not self._timed and ((scans and read_rows >= rows) or by_index):
                read.add(oid)
                if oid not in rewritten and (scans > len(built) or by_index):
                    scanned.add(oid)
            if is_.rows_written > was.rows_written:
                written = written | {oid}
            changed[oid] = is_.rows_changed - was.rows_changed
            removed[oid] = was.rows_added - is_.rows_added
            found.dropped.update(
                (index.name, is_.name)
                for index in before.values()
                if index.table == oid and index.oid not in after
            )
        found.rewritten, found.read = self._names(rewritten), self._names(read)
        found.scanned, found.written = self._names(scanned), self._names(written)
        found.changed, found.removed = self._by_table(changed), self._by_table(removed)
        return found

    def _names(self, oids: set[int]) -> list[str]:
        return sorted(self._tables[oid].name for oid in whole(oids, self._tables))

    def _by_table(self, counts: Mapping[int, int]) -> dict[str, int]:
        """Return how many rows these are by the names of tables, those of partitions with their table's."""
        found: Counter[str] = Counter()
        for oid, count in counts.items():
            table = self._tables.get(oid)
            while table and table.parent in self._tables:
                table = self._tables[table.parent]
            if table:
                found[table.name] += count
        return {name: count for name, count in sorted(found.items()) if count > 0}

    def _end_of_transaction(self, run: Run) -> None:
        if self._blocked_since is not None:
            run.blocked_seconds = max(run.blocked_seconds, time.monotonic() - self._blocked_since)
        self._blocked_since = None

    def _watch(self, tables: State, held: Mapping[int, str]) -> Watch:
        names = {oid: sql.Identifier(table.schema, table.plain_name) for oid, table in tables.items()}
        return Watch(self._pool, self._driver.info.backend_pid, names, held)

    def _plan(self, statement: str) -> None:
        if not self._timed:
            self._driver.execute(INDEX_FIRST if PLANNED.match(statement) else NO_INDEX)

    def _held(self) -> dict[int, set[str]]:
        return {oid: modes for oid, modes in self._catalogue.held().items() if oid in self._tables}

    def _user_tables(self) -> State:
        """Return the tables, without Alembic's own table."""
        return {
            oid: relation
            for oid, relation in self._catalogue.state().items()
            if relation.is_table and (relation.schema, relation.plain_name) != self._version_table
        }

    def _user_indexes(self, state: State) -> State:
        """Return the indexes of the tables that existed before the revision."""
        return {oid: relation for oid, relation in state.items() if relation.table in self._tables}

    def _all_rows(self) -> Rows:
        """Return the rows of each table, whatever the order of rows and columns, not of its partitions."""
        found = {}
        for table in self._user_tables().values():
            if not table.parent:
                name = sql.Identifier(table.schema, table.plain_name)
                query = sql.SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(name)
                found[table.name] = Counter(row for (row,) in self._driver.execute(query))
        return found

    def _count_rows(self) -> None:
        """Count the rows of each table, without its partitions."""
        tables = [relation for relation in self._catalogue.state().values() if relation.is_table]
        if tables and not self._timed:
            counts = sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {}::bigint, count(*) FROM ONLY {}").format(
                    table.oid, sql.Identifier(table.schema, table.plain_name)
                )
                for table in tables
            )
            self._rows_of = dict(self._driver.execute(counts).fetchall())
        self._driver.rollback()


def _beginning(statement: str) -> str:
    """Return the beginning of a statement, as one line."""
    line = " ".join(re.sub(r"--[^\n]*", "", statement).split())
    return line if len(line) <= TEXT else f"{line[: TEXT - 2]} …"


def _named(index: Relation, table: Relation, before: State, after: State) -> tuple[str, str]:
    """Return the name of an index that was built, and of its table.

    If the index of the partitioned table is new too, it stands for those of its partitions.
    """
    while index.parent in after and index.parent not in before:
        index = after[index.parent]
        table = after[index.table]
    return index.name, table.name


def _line_in(path: Path, error: Exception) -> str:
    """Return the line of a file that raised an error, in words; empty if no line of it did."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f", line {lines[-1]}," if lines else ""
