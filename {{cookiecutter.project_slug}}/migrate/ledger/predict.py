"""How long upgrades would hold their locks on a database of which only a snapshot is there.

Each pending revision runs, observed (measure.py), on copies of a scratch database that is at the
snapshot's revision, with two numbers of sample rows. The server's counters say over how many rows
each statement goes, and of which tables. What grows with a table is continued to the table's rows in
the snapshot, along a straight line through both measurements, or along n log n where an index is built.
What goes over no rows, a change of the catalogue, stays as it is.

It is this machine that is measured. What waits for a lock, what the traffic costs meanwhile, and a table
that does not fit into memory any more are not in it. New tables are empty until a revision fills them.
"""

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Literal

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, NullPool

from database import make_engine
from migrate.chain import Revision, project_config, revisions, with_ancestors
from migrate.ledger.catalogue import Catalogue, Relation
from migrate.ledger.locks import blocked_by
from migrate.ledger.measure import Run, Session
from migrate.ledger.snapshot import Snapshot, SnapshotError, Table, keys
from migrate.run.connection import connect
from migrate.sample import Described, fill
from migrate.sample.described import read
from migrate.scripts import scripts_of
from migrate.target import scratch_server
from postgres import client
from postgres.scratch import scratch_database

ROWS = 100_000  # the larger of the two measurements
TIMES_SMALLER = 10  # is the other one
RUNS = 3  # of each the quickest counts

# By so small a part of the measured rows a statement may differ without growing with them.
NEGLIGIBLE = 0.01

Work = Literal["nothing", "scan", "write", "index", "rewrite"]


@dataclass(frozen=True)
class Step:
    """What a statement would take.

    Attributes:
        text: its beginning.
        seconds: in all, where it runs several times.
        work: what grows with the rows.
        rows: how many it reads and writes, one that it reads twice as two.
    """

    text: str
    seconds: float
    work: Work
    rows: int


@dataclass(frozen=True)
class Held:
    """For how long a lock would be held: from the statement that takes it to the end of its transaction."""

    table: str
    mode: str
    blocks: str | None
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """What an upgrade would take."""

    revision: Revision
    seconds: float
    locks: list[Held]
    statements: list[Step]


@dataclass(frozen=True)
class Predicted:
    """What was found.

    Attributes:
        predictions: one for each pending revision.
        sizes: with how many rows a large table was measured.
        wider: how many times as many bytes a row has there as in the sample, where that is a lot.
    """

    predictions: list[Prediction]
    sizes: tuple[int, int]
    wider: dict[str, float]


@dataclass
class Measured:
    """A statement as it was measured, in all where it runs several times."""

    text: str
    alone: bool
    sorts: bool = False
    seconds: float = 0.0
    times: int = 0
    work: set[Work] = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    locks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """A measurement with one number of rows: what there was, and what each revision did."""

    tables: dict[str, Table]
    statements: dict[str, dict[str, Measured]]


def predict(
    snapshot: Snapshot,
    config: Config | None = None,
    *,
    start: str | None = None,
    rows: int = ROWS,
    server: URL | None = None,
    progress: Callable[[int, int, Revision | None], None] = lambda *_: None,
) -> Predicted:
    """Measure the revisions that are pending in a snapshot, and predict what they take there.

    Args:
        snapshot: of the database.
        config: Alembic's; by default that of `alembic.ini`.
        start: predict from this revision on; by default from the first that is pending. Of one that
            is not pending the snapshot's tables count as they were before it.
        rows: the larger number of rows to measure with. A smaller table is measured as it is.
        server: where to measure; by default `migrate.target.scratch_server()`.
        progress: called as in `measure`.

    Raises:
        SnapshotError: the snapshot and the chain do not fit.
        MeasureError: a revision failed.
        CommandError: there is no revision `start`, or no server.
    """
    scripts = scripts_of(config or project_config())
    first = scripts.get_revision(start) if start else None
    applied, pending = _divided(snapshot, scripts, first.revision if first else None)
    server = server or scratch_server()
    with connect(make_engine(server, poolclass=NullPool)):
        pass  # or one clear line says why not
    sizes = (max(1, rows // TIMES_SMALLER), rows)
    there = {table.key: table for table in snapshot.tables}
    with ExitStack() as stack:
        base = stack.enter_context(scratch_database(server))
        with closing(Session(base, scripts, config, rows, timed=True)) as session:
            for revision in applied:
                session.move(revision, "upgrade", observed=False)
        with client.connect(base) as driver:
            known = keys(Catalogue(driver).sizes())
        small, large = (
            _measured(base, there, known, pending, scripts, config, size, progress) for size in sizes
        )
        progress(len(pending), len(pending), None)
    growth = Growth({
        key: (small.tables[key].rows, table.rows, there[key].rows if key in there else table.rows)
        for key, table in large.tables.items()
    }, negligible=NEGLIGIBLE * (rows - sizes[0]))  # fmt: skip
    found = [_predicted(each, small, large, growth) for each in pending]
    begin = [each.id for each in pending].index(first.revision) if first else 0
    return Predicted(found[begin:], sizes, dict(_wider(there, large.tables)))


def _divided(
    snapshot: Snapshot, scripts: ScriptDirectory, start: str | None
) -> tuple[list[Revision], list[Revision]]:
    """Return which revisions the snapshot has, and which it has not, or only as they were before `start`."""
    chain = {revision.id: revision for revision in revisions(scripts)}
    if unknown := sorted(set(snapshot.revisions) - chain.keys()):
        raise SnapshotError(f"the snapshot is at {unknown[0]}, and no file here has that revision")
    has = {id_ for head in snapshot.revisions for id_ in with_ancestors(chain[head], chain)}
    if start:
        later = {id_ for id_, each in chain.items() if start in with_ancestors(each, chain)}
        has -= later
    pending = [revision for id_, revision in chain.items() if id_ not in has]
    if not has:
        raise SnapshotError(
            "the snapshot is of a database without a revision, so it has no table that changes"
        )
    if not pending:
        raise SnapshotError("the snapshot is at head: --from names the revision to begin with")
    return [revision for id_, revision in chain.items() if id_ in has], pending


def _measured(
    base: URL,
    there: Mapping[str, Table],
    known: Mapping[int, str],
    pending: Sequence[Revision],
    scripts: ScriptDirectory,
    config: Config | None,
    rows: int,
    progress: Callable[[int, int, Revision | None], None],
) -> Size:
    """Run the pending revisions a few times, with so many rows at most in a table."""
    with scratch_database(base, str(base.database)) as filled:
        with make_engine(filled, poolclass=NullPool).connect() as connection:
            failed = fill(connection, rows, _described(there, known, rows)).failed
            connection.commit()
        for table, reason in failed.items():
            print(f"warning: {table} is measured without rows: {reason}", file=sys.stderr)
        with client.connect(filled) as driver:
            driver.execute("VACUUM (ANALYZE)")
        with make_engine(filled, poolclass=NullPool).connect() as connection:
            tables = {table.key: table for table in Snapshot.take(connection).tables}
        statements: dict[str, dict[str, Measured]] = {}
        for _ in range(RUNS):
            with (
                scratch_database(base, str(filled.database)) as copy,
                closing(Session(copy, scripts, config, rows, timed=True)) as session,
            ):
                for number, revision in enumerate(pending):
                    progress(number, len(pending), revision)
                    now = _statements(session.move(revision, "upgrade"), known)
                    for text, statement in statements.setdefault(revision.id, now).items():
                        if text in now:
                            statement.seconds = min(statement.seconds, now[text].seconds)
    return Size(tables, statements)


def _described(there: Mapping[str, Table], known: Mapping[int, str], rows: int) -> dict[str, Described]:
    """Return what is said of the tables, with as many rows for each as it has, or as `rows`."""
    said = read()
    found = {}
    for key in set(known.values()):
        count = min(there[key].rows, rows) if key in there else 0
        says = said.get(key) or said.get(key.split(".", 1)[1]) or Described()
        found[key] = replace(says, share=count / rows, awkward=says.awkward if count else ())
    return found


def _statements(run: Run, known: Mapping[int, str]) -> dict[str, Measured]:
    """Return what a run did, by the statements' texts."""
    found: dict[str, Measured] = {}
    for statement, timing in zip(run.statements, run.timings, strict=True):
        each = found.setdefault(statement.text, Measured(statement.text, timing.alone))
        each.seconds += timing.seconds
        each.times += 1
        each.sorts |= timing.sorts
        each.rows.update({_key(table, known): count for table, count in timing.rows.items()})
        # A partition is locked as its table is.
        each.locks.update(
            (table, mode)
            for table, mode in statement.locks.items()
            if statement.locks.get(run.parents.get(table, "")) != mode
        )
        kinds: list[tuple[Work, object]] = [
            ("rewrite", statement.rewritten), ("index", timing.sorts), ("write", statement.written),
            ("scan", True),
        ]  # fmt: skip
        each.work.add(next(work for work, is_so in kinds if is_so))
    return found


def _key(table: Relation, known: Mapping[int, str]) -> str:
    """Return what the snapshot calls a table, whatever its name is by now; of a new one, that it is new."""
    return known.get(table.oid) or f"new {table.schema}.{table.plain_name}"


class Growth:
    """How many rows a statement would go over, and what that takes."""

    def __init__(self, tables: Mapping[str, tuple[float, float, float]], negligible: float) -> None:
        """Prepare.

        Args:
            tables: their rows in both measurements, and in the snapshot.
            negligible: by so many rows a statement may differ.
        """
        self._tables = dict(tables)
        self._negligible = negligible

    def rows(self, small: Measured, large: Measured) -> float:
        """Return over how many rows a statement would go.

        What it does with a table that grows is continued by that table's growth. With another one, such
        as one that is new and filled from the first, it does as many times more.
        """
        found: dict[str, float] = {}
        grown = would_grow = 0.0
        for key, count in large.rows.items():
            few, many, there = self._tables.get(key, (0, 0, 0))
            if many > few:
                by = count - small.rows[key]
                found[key] = max(0.0, count + by * (there - many) / (many - few))
                grown, would_grow = grown + by, would_grow + found[key] - count
        times = would_grow / grown if grown > 0 else 0.0
        for key, count in large.rows.items():
            if key not in found:
                few = small.rows[key]
                found[key] = count + max(0, count - few) * times
                self._tables.setdefault(key, (few, count, found[key]))
        return sum(found.values())

    def seconds(self, small: Measured, large: Measured, rows: float) -> float:
        """Return what a statement would take that goes over so many rows."""
        few, many = small.rows.total(), large.rows.total()
        if many - few <= self._negligible:
            return min(small.seconds, large.seconds)
        effort = n_log_n if large.sorts else float
        slope = (large.seconds - small.seconds) / (effort(many) - effort(few))
        fixed = small.seconds - slope * effort(few)
        if slope <= 0 or fixed < 0:  # what is measured wavers: as much for each row as with many of them
            slope, fixed = large.seconds / effort(many), 0.0
        return fixed + slope * effort(max(rows, many))


def n_log_n(count: float) -> float:
    """Return what sorting so many takes, in some unit."""
    return count * math.log2(count + 2)


def _predicted(revision: Revision, small: Size, large: Size, growth: Growth) -> Prediction:
    found: list[tuple[Measured, Step, float]] = []
    for text, with_many in large.statements[revision.id].items():
        with_few = small.statements[revision.id].get(text, with_many)
        rows = growth.rows(with_few, with_many)
        seconds = growth.seconds(with_few, with_many, rows)
        order: list[Work] = ["rewrite", "index", "write", "scan"]
        work: Work = next(each for each in order if each in with_many.work) if rows >= 1 else "nothing"
        # A loop of the revision's own: more rows are more statements, not longer ones.
        looped = with_few.times != with_many.times
        once = (with_many.seconds if looped else seconds) / with_many.times
        found.append((with_many, Step(text, seconds, work, round(rows)), once))
    steps = [step for _, step, _ in found]
    return Prediction(revision, sum(step.seconds for step in steps), list(_held(found)), steps)


def _held(statements: Sequence[tuple[Measured, Step, float]]) -> Iterator[Held]:
    """Yield each lock, with the longest time for which one transaction would hold it.

    Args:
        statements: what each took, what it would take, and what one run of it would.
    """
    found: dict[tuple[str, str], float] = {}
    since: dict[tuple[str, str], float] = {}
    now = 0.0
    for measured, step, once in statements:
        if measured.alone:
            for lock in measured.locks.items():
                found[lock] = max(found.get(lock, 0.0), once)
        else:
            for lock in measured.locks.items():
                since.setdefault(lock, now)
            now += step.seconds
    for lock, begun in since.items():
        found[lock] = max(found.get(lock, 0.0), now - begun)
    for (table, mode), seconds in found.items():
        yield Held(table, mode, blocked_by(mode), seconds)


def _wider(there: Mapping[str, Table], sample: Mapping[str, Table]) -> Iterable[tuple[str, float]]:
    """Yield by how much the rows are wider than the sample's, where that makes a difference."""
    for key, table in sample.items():
        other = there.get(key)
        if other and other.rows and table.rows >= 1000:
            times = (other.bytes / other.rows) / (table.bytes / table.rows)
            if times >= 2:
                yield key, times
