"""Each scenario twice, on the same rows and under the same traffic: the naive way, and the right one.

    python -m lab.backend lab.measure FILE [SLUG …] [--rows N] [--runs N]

`make lab` runs it. A database with sample rows goes along the chain. Before a scenario it is copied
for each run: the application works on the copy for a while, the migration comes, and it works on.
A run without a migration says what the application meets with on an idle day.
"""

import argparse
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from alembic.util import CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import URL

from database import configured_url
from lab.copies import Copies
from lab.figures import WAYS
from lab.traffic.apart import Apart, Ended, migrate
from lab.traffic.application import Application
from lab.traffic.chain import Walk
from lab.traffic.drive import Load, Report, traffic
from lab.traffic.ledger import Ledger
from lab.traffic.schema import Code
from lab.twins import Twin, TwinError, twins
from migrate.chain import Revision, revisions
from migrate.target import LOOPBACK
from postgres import embedded
from postgres.client import parameters
from postgres.errors import PostgresError

# What the default run measures: of each kind of change one.
SCENARIOS = (
    "index_document_tags",
    "add_document_priority",
    "add_document_language",
    "backfill_document_search",
    "validate_document_new_file_size",
    "keep_audit_logs_of_deleted_users",
    "expand_document_file_size",
    "contract_document_file_size",
    "check_document_priority",
    "unique_document_page_number",
)
# A twin that does not stall and lock, but fails or loses, has nothing to be timed.
TIMED = ("rewrites", "blocks", "scans again", "locks rows")

SETTINGS = ("shared_buffers", "fsync", "synchronous_commit", "max_wal_size", "autovacuum", "deadlock_timeout")
COUNTED = """
    SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, pg_database_size(current_database()),
        coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)
    FROM pg_stat_user_tables
"""
END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    AND application_name NOT LIKE 'lab %'
"""


@dataclass
class Figures:
    """One run. Times are milliseconds, if not said otherwise.

    Attributes:
        seconds: how long the migration took.
        stall: the longest that a client waited for a lock of the migration.
        longest: the slowest statement.
        reads_p50: of SELECTs; writes_p50: of INSERTs, UPDATEs and DELETEs; p99: and of these, the slow ones.
        transactions: how many the application has committed.
        failed: statements of the application, by SQLSTATE; messages: the first of each.
        stopped: the SQLSTATE by which the migration failed.
        wal_bytes: written meanwhile, by the application too.
        growth_bytes: of tables and indexes meanwhile, by the application too.
        rows_written: by both.
        waits: for a timeline: when a client began to wait, in seconds, for how long, and for what.
    """

    seconds: float = 0.0
    stall: float = 0.0
    longest: float = 0.0
    reads_p50: float = 0.0
    reads_p99: float = 0.0
    writes_p50: float = 0.0
    writes_p99: float = 0.0
    transactions: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    stopped: str = ""
    wal_bytes: int = 0
    growth_bytes: int = 0
    rows_written: int = 0
    waits: list[tuple[float, float, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        chosen: the twins.
        rows: how many documents; other tables in proportion.
        runs: how often each way.
        seconds: of traffic around each.
        limit: seconds, after which a migration is ended.
        load: how much the application does.
    """

    chosen: Sequence[Twin]
    rows: int
    runs: int
    seconds: float
    limit: float
    load: Load


class Track(Walk):
    """A copy on which one run takes place."""

    def run(self, apart: Apart, way: str, twin: Twin, code: Code, limit: float) -> Figures:
        """Have the application work before, beside and after a migration.

        Args:
            apart: where the migration runs.
            way: one of WAYS.
            twin: the naive way, and which is the right one.
            code: what the application knows.
            limit: seconds, after which the migration is ended.
        """
        found = Figures()
        with closing(self.connect("lab watcher")) as connection:
            connection.autocommit = True
            for statement in twin.given.split("; ") if twin.given else []:
                connection.execute(statement.encode())
            application = Application(code, Ledger(), self.shared(code), self.load.seed)
            before = _counted(connection)
            with traffic(self.connect, application, self.load) as report:
                time.sleep(self.seconds / 2)
                with _ended_after(limit, connection):
                    ended = Ended(0)
                    if way == "naive":
                        ended = apart.run(naively, self.url, twin)
                    elif way == "right":
                        ended = apart.run(migrate, self.url, twin.slug, "upgrade")
                time.sleep(self.seconds / 2)
            more = [after - was for was, after in zip(before, _counted(connection), strict=True)]
            found.wal_bytes, found.growth_bytes, found.rows_written = more
        found.seconds, found.stopped = ended.seconds, ended.error and (ended.sqlstate or "failed")
        _fill_in(found, report)
        return found


def naively(url: URL, twin: Twin) -> Ended:
    """Go the naive way, as a program without any guard does."""
    error = state = ""
    begun = time.monotonic()
    with closing(psycopg.connect(**parameters(url), autocommit=twin.autocommit)) as connection:
        try:
            for statement in twin.statements:
                if not statement.meanwhile:
                    connection.execute(statement.sql.encode())
            if not twin.autocommit:
                connection.commit()
        except psycopg.Error as caught:
            error, state = str(caught), caught.sqlstate or "lost"
    return Ended(time.monotonic() - begun, error, state)


def _counted(connection: psycopg.Connection[Any]) -> list[int]:
    """Return the bytes of WAL, those of the database, and the rows written, all until now."""
    row = connection.execute(COUNTED).fetchone()
    return [int(value) for value in row or ()]


@contextmanager
def _ended_after(seconds: float, connection: psycopg.Connection[Any]) -> Iterator[None]:
    timer = threading.Timer(seconds, lambda: connection.execute(END))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _fill_in(found: Figures, report: Report) -> None:
    reads: Counter[int] = Counter()
    writes: Counter[int] = Counter()
    for kind, times in report.milliseconds.items():
        if kind.startswith("select"):
            reads += times
        elif kind.split()[0] in ("insert", "update", "delete", "upsert", "switch", "assign"):
            writes += times
    whole = Report(milliseconds={"reads": reads, "writes": writes})
    found.reads_p50, found.reads_p99 = (whole.percentile("reads", share) for share in (0.5, 0.99))
    found.writes_p50, found.writes_p99 = (whole.percentile("writes", share) for share in (0.5, 0.99))
    found.stall, found.longest = round(report.stall, 1), report.longest
    found.transactions, found.failed = report.transactions, dict(report.failed)
    found.messages = dict(report.messages)
    waits = sorted(report.waits, key=lambda wait: -wait.seconds)[:100]
    found.waits = sorted((round(w.began, 3), round(w.seconds, 3), f"{w.what} {w.mode}") for w in waits)


def measure(server: URL, plan: Plan, said: Callable[[str, int], None]) -> Iterator[dict[str, Any]]:
    """Measure all that is planned, and after each scenario yield the result until then.

    Args:
        server: where, by a database that exists there.
        plan: what.
        said: told what is done now, and how many runs have ended since the last time.
    """
    waiting: dict[str, list[Twin]] = {}
    for twin in plan.chosen:
        waiting.setdefault(twin.slug, []).append(twin)
    scenarios = []
    with Apart() as apart, closing(Copies(server)) as copies:
        along = Track(copies.make(), plan.rows, plan.load, plan.seconds)
        empty = Track(copies.make(), 0, plan.load, 0)  # what code has to know is asked of this one
        conditions = _conditions(along, plan)
        for revision in revisions():
            for twin in waiting.pop(revision.slug, []):
                code = _code(empty, twin, revision, copies)
                found: dict[str, Any] = {"slug": revision.slug, "twin": str(twin)}
                found |= {way: [] for way in WAYS}
                for way in ("idle", *("naive", "right") * plan.runs):
                    said(f"{twin}: {way}", 0)
                    copy = Track(copies.make(along.url), plan.rows, plan.load, plan.seconds)
                    found[way].append(asdict(copy.run(apart, way, twin, code, plan.limit)))
                    copies.drop(keep=[along.url, empty.url])
                    said(f"{twin}: {way}", 1)
                scenarios.append(found)
                yield {**conditions, "scenarios": scenarios}
            if waiting:
                said(f"on to {revision.slug}", 0)
                for walk in (along, empty):
                    walk.quietly(revision, "upgrade")
                along.fill()


def _code(empty: Track, twin: Twin, revision: Revision, copies: Copies) -> Code:
    """Return what code knows that runs beside either way."""
    naive, right = (Track(copies.make(empty.url), 0, empty.load, 0) for _ in range(2))
    naively(naive.url, twin)
    right.quietly(revision, "upgrade")
    return Code(empty.schema(), right.schema().common(naive.schema()))


def _conditions(track: Track, plan: Plan) -> dict[str, Any]:
    with closing(track.connect("lab")) as connection:
        [version] = connection.execute("SHOW server_version").fetchone() or ("",)
        settings = {
            name: (connection.execute(f"SHOW {name}".encode()).fetchone() or ("",))[0] for name in SETTINGS
        }
    return {
        "rows": plan.rows,
        "server": str(version).split()[0],
        "cores": os.cpu_count(),
        "busy": round(os.getloadavg()[0], 1),
        "runs": plan.runs,
        "seconds": plan.seconds,
        "load": asdict(plan.load),
        "settings": settings,
    }


def chosen(slugs: Sequence[str]) -> list[Twin]:
    """Return the twins of these scenarios that can be timed.

    Raises:
        TwinError: a scenario has none.
    """
    timed = [twin for twin in twins() if any(claim.kind in TIMED for claim in twin.claims)]
    if unknown := sorted(set(slugs) - {twin.slug for twin in timed}):
        names = ", ".join(dict.fromkeys(twin.slug for twin in timed))
        raise TwinError(f"{', '.join(unknown)}: nothing to be timed; there are {names}")
    return [twin for twin in timed if twin.slug in slugs]


def main() -> int:
    """Measure, and write the result, after each scenario anew: what is broken off has that much.

    Returns:
        The exit code: 2 where the lab cannot work, 130 where it was stopped.
    """
    parser = argparse.ArgumentParser(prog="lab.measure", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("result", type=Path, metavar="FILE", help="for the result, as JSON")
    parser.add_argument(
        "slugs", nargs="*", metavar="SLUG", help="these scenarios; by default one of each kind"
    )
    parser.add_argument("--rows", type=int, default=100_000, help="documents; other tables in proportion")
    parser.add_argument("--runs", type=int, default=3, help="of each way; the median counts")
    parser.add_argument("--seconds", type=float, default=2.0, help="of traffic around each migration")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for one migration")
    parser.add_argument("--rate", type=float, default=Load.rate, help="transactions a second")
    parser.add_argument("--clients", type=int, default=Load.clients, help="sessions of the application")
    parser.add_argument("--seed", type=int, default=Load.seed, help="decides who does what")
    options = parser.parse_args()
    if options.rows < 1 or options.runs < 1:
        parser.error("--rows and --runs are 1 or more")
    logging.basicConfig(level=logging.ERROR)
    load = Load(options.rate, options.clients, options.seed)
    try:
        twins = chosen(options.slugs or SCENARIOS)
        plan = Plan(twins, options.rows, options.runs, options.seconds, options.limit, load)
        server = configured_url(for_migrations=True) or embedded.url()
        if server.host not in LOOPBACK and not str(server.host).startswith("/"):
            raise CommandError(f"the lab works on this machine only, and {server.host} is another one")
        with _bar(len(plan.chosen) * (1 + 2 * plan.runs)) as said:
            for result in measure(server, plan, said):
                options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except (CommandError, TwinError, PostgresError, psycopg.Error) as error:
        print(f"error: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped: {options.result} has the scenarios that were measured until now", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _bar(total: int) -> Iterator[Callable[[str, int], None]]:
    """Draw a bar with an estimate on a terminal; elsewhere print a line for each run."""
    console = Console(stderr=True)
    what, bar = TextColumn("{task.description:<50}"), BarColumn(30)
    with Progress(what, bar, MofNCompleteColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("", total=total, visible=console.is_terminal)

        def said(words: str, done: int) -> None:
            progress.update(task, description=words, advance=done)
            if done and not console.is_terminal:
                print(words, file=sys.stderr, flush=True)

        yield said


if __name__ == "__main__":
    sys.exit(main())
