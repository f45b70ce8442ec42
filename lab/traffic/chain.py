"""Each revision of the chain from N-1, with rows in its tables and the application at work: up and down.

    python -m lab.backend lab.traffic.chain [SLUG …] [--rows N] [--rate N] [--seconds S] [--runs N]
        [--autovacuum] [--json FILE]

Exit code 1: an error in the application that the docstring does not announce under `Deploy:`, a
write that is lost or undone, or a revision that failed.
"""

import argparse
import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from alembic.util import CommandError
from sqlalchemy import URL, NullPool

from database import configured_url, make_engine
from lab.traffic.apart import Apart, migrate, step
from lab.traffic.application import SHARED, Application
from lab.traffic.drive import Load, Report, traffic
from lab.traffic.ledger import Ledger
from lab.traffic.schema import Code, Schema
from migrate.chain import Revision, revisions
from migrate.sample import fill
from models.sample import TABLES
from postgres import embedded
from postgres.client import connect, parameters
from postgres.errors import PostgresError
from postgres.scratch import scratch_database

STALL = 100  # milliseconds that a step may stall the application without saying so
# An autovacuum that is always somewhere: it looks every second, takes any change for reason enough, and
# with this cost limit is at ten thousands of pages for a minute.
BUSY = {
    "autovacuum_naptime": "1s",
    "autovacuum_vacuum_threshold": "0",
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_analyze_threshold": "0",
    "autovacuum_analyze_scale_factor": "0",
    "autovacuum_vacuum_cost_delay": "20ms",
    "autovacuum_vacuum_cost_limit": "50",
}


@dataclass
class Step:
    """One revision, one way, under the application."""

    slug: str
    direction: str
    seconds: float = 0.0
    stall: float = 0.0  # the client's longest wait for a lock of the migration, in milliseconds
    waited_for: str = ""
    longest: int = 0  # the slowest statement of all, in milliseconds
    transactions: int = 0
    asked: int = 0  # values that were committed, and asked for afterwards
    failed: dict[str, int] = field(default_factory=dict)
    announced: list[str] = field(default_factory=list)
    says_so: bool = False  # whether the docstring says that traffic waits for it
    stopped: str = ""  # why it came to no end; a way back may refuse, where its docstring says so
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing happened that the docstring does not announce."""
        return not self.wrong

    def line(self) -> str:
        """Return it as a line of the table."""
        failed = ", ".join(f"{count} x {state}" for state, count in self.failed.items())
        return (
            f"{self.slug:<40} {self.direction:<9} {self.seconds:6.1f} s  stall {self.stall:6.0f} ms "
            f"{self.waited_for:<26} slowest {self.longest:5} ms  {self.transactions:6} transactions  {failed}"
        ).rstrip()


class Walk:
    """A database that goes along the chain."""

    some = "SELECT id FROM {table} LIMIT %s"  # rows that all clients edit

    def __init__(self, url: URL, rows: int, load: Load, seconds: float) -> None:
        self.url, self.rows, self.load, self.seconds = url, rows, load, seconds
        self._engine = make_engine(url, poolclass=NullPool)

    def connect(self, name: str) -> psycopg.Connection[Any]:
        """Open a session, as `database.py` does: it prepares no statement."""
        connection = psycopg.connect(
            **parameters(self.url), application_name=name, prepare_threshold=None, autocommit=True
        )
        connection.execute("SET TIME ZONE 'UTC'")
        connection.autocommit = False
        return connection

    def quietly(self, revision: Revision, direction: str) -> None:
        """Go one way, while nothing else happens."""
        step(self._engine, revision, direction)

    def fill(self) -> None:
        """Put rows into tables that are new."""
        with self._engine.begin() as connection:
            fill(connection, self.rows)

    def schema(self) -> Schema:
        """Return what code has to know."""
        with self.connect("lab") as connection:
            return Schema.of(connection)

    def under_traffic(
        self, apart: Apart, revision: Revision, direction: str, before: Schema, after: Schema
    ) -> Step:
        """Go one way while the application works, and ask for what it has committed."""
        code, ledger = Code(before, after), Ledger()
        fields = revision.fields
        taken = Step(
            revision.slug,
            direction,
            announced=re.findall(r"\((\w{5})\)", fields["Deploy"]),
            says_so="AccessExclusiveLock" in fields["Rollback"]
            if direction == "downgrade"
            else "Allow" in fields,
        )
        application = Application(code, ledger, self.shared(code), self.load.seed)
        with traffic(self.connect, application, self.load) as report:
            time.sleep(self.seconds / 2)
            ended = apart.run(migrate, self.url, revision.slug, direction)
            time.sleep(self.seconds / 2)
        taken.seconds, taken.stopped = ended.seconds, ended.error
        if ended.error and not (direction == "downgrade" and "refuses" in revision.fields["Rollback"]):
            taken.wrong = [ended.error]
        self._note(taken, report)
        with self.connect("lab") as connection:
            taken.asked = len(ledger)
            taken.wrong += ledger.wrong(connection, code)
        return taken

    def _note(self, step: Step, report: Report) -> None:
        step.transactions, step.failed = report.transactions, dict(report.failed)
        step.stall, step.longest = report.stall, report.longest
        if report.waits:
            longest = max(report.waits, key=lambda wait: wait.seconds)
            step.waited_for = f"{longest.what} {longest.mode}"[:60]
        step.wrong += [
            f"{state}: {report.messages[state]}" for state in report.failed if state not in step.announced
        ]
        if not report.transactions:
            step.wrong.append("the application did nothing")

    def shared(self, code: Code) -> dict[str, list[Any]]:
        """Return rows that are there, for all clients to edit: those that recipes forget, and others."""
        shared = {}
        with self.connect("lab") as connection:
            for table, name in code.names.items():
                said = TABLES.get("document_pages" if table == "pages" else table, {})
                awkward = [row["id"] for row in said.get("awkward", []) if "id" in row]
                some = self.some.format(table=name)
                query = f"SELECT id FROM {name} WHERE id = ANY (%s) UNION ({some})"
                shared[table] = [id_ for (id_,) in connection.execute(query.encode(), [awkward, SHARED])]
        return shared


def walk(
    server: URL, slugs: Iterable[str], rows: int, load: Load, seconds: float, runs: int = 1
) -> Iterator[Step]:
    """Go along the chain, and yield each revision's two steps.

    Args:
        server: where, by a database that exists there.
        slugs: which revisions run under the application, the others alone; none of them means all.
        rows: the sample rows.
        load: how much the application does.
        seconds: how long it works beside each step, in addition to the step itself.
        runs: how often both steps are taken.
    """
    chain, chosen = revisions(), set(slugs)
    while chosen and chain[-1].slug not in chosen:
        chain.pop()
    # Which code runs beside a revision depends on what it leaves: so it is run without rows before.
    with scratch_database(server) as url:
        empty, schemas = Walk(url, 0, load, 0), []
        for revision in chain:
            empty.quietly(revision, "upgrade")
            schemas.append(empty.schema())
    with Apart() as apart, scratch_database(server) as url:
        along = Walk(url, rows, load, seconds)
        along.quietly(chain[0], "upgrade")  # before it there is no table
        along.fill()
        for revision, (before, after) in zip(chain[1:], pairwise(schemas), strict=True):
            if chosen and revision.slug not in chosen:
                along.quietly(revision, "upgrade")
            else:
                for _ in range(runs):
                    yield (up := along.under_traffic(apart, revision, "upgrade", before, after))
                    if up.stopped:
                        return
                    along.fill()
                    yield (down := along.under_traffic(apart, revision, "downgrade", after, before))
                    if down.stopped:
                        break
                    along.fill()
                else:
                    along.quietly(revision, "upgrade")
            along.fill()


def longest_stalls(steps: Iterable[Step], count: int = 10) -> list[str]:
    """Return as lines which steps stall the application longest: the median of their runs, and the range."""
    stalls: dict[tuple[str, str, bool], list[float]] = {}
    for taken in steps:
        stalls.setdefault((taken.slug, taken.direction, taken.says_so), []).append(taken.stall)
    longest = sorted(stalls.items(), key=lambda item: median(item[1]), reverse=True)[:count]
    return [
        f"{slug:<40} {direction:<9} {median(found):7,.0f} ms  ({min(found):,.0f} to {max(found):,.0f})"
        + ("" if median(found) <= STALL else "  its docstring says so" if says_so else "  UNANNOUNCED")
        for (slug, direction, says_so), found in longest
    ]


@contextmanager
def autovacuum_at_work(server: URL) -> Iterator[None]:
    """Have autovacuum work on every table that has changed, slowly and again and again, for a block.

    Args:
        server: where. The settings are the server's, until the block ends.

    Raises:
        CommandError: its user is no superuser.
    """
    with connect(server) as connection:
        if connection.info.parameter_status("is_superuser") != "on":
            raise CommandError("--autovacuum changes settings of the server: give a superuser's URL")
        try:
            for name, value in BUSY.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
            connection.execute("SELECT pg_reload_conf()")
            yield
        finally:
            for name in BUSY:
                connection.execute(f"ALTER SYSTEM RESET {name}".encode())
            connection.execute("SELECT pg_reload_conf()")


def main() -> int:
    """Run the command.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="lab.traffic.chain", description=__doc__.split("\n\n")[0])
    parser.add_argument("slugs", nargs="*", metavar="SLUG", help="these revisions; all if none is named")
    parser.add_argument("--rows", type=int, default=20_000, help="sample rows: documents, and in proportion")
    parser.add_argument("--rate", type=float, default=Load.rate, help="transactions a second")
    parser.add_argument("--clients", type=int, default=Load.clients, help="sessions of the application")
    parser.add_argument("--seconds", type=float, default=1.0, help="of traffic beside each step")
    parser.add_argument("--runs", type=int, default=1, help="how often each step is taken")
    parser.add_argument("--seed", type=int, default=Load.seed, help="decides who does what")
    parser.add_argument(
        "--autovacuum", action="store_true", help="have it at work on every table (for a superuser)"
    )
    parser.add_argument("--json", type=Path, help="a file for the figures")
    options = parser.parse_args()
    if unknown := set(options.slugs) - {revision.slug for revision in revisions()}:
        parser.error(f"there is no revision {', '.join(sorted(unknown))}")
    logging.basicConfig(level=logging.WARNING, format="    %(message)s")
    load = Load(options.rate, options.clients, options.seed)
    steps = []
    try:
        server = configured_url(for_migrations=True) or embedded.url()
        with autovacuum_at_work(server) if options.autovacuum else nullcontext():
            for step in walk(server, options.slugs, options.rows, load, options.seconds, options.runs):
                print(step.line(), flush=True)
                for line in step.wrong[:5] or filter(None, [step.stopped]):
                    print(f"    {line}", flush=True)
                steps.append(step)
    except (CommandError, PostgresError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps([asdict(step) for step in steps], indent=1), encoding="utf-8")
    print("The longest stalls:", *longest_stalls(steps), sep="\n")
    bad = [step for step in steps if not step.is_good]
    print(f"{len(steps)} steps, {len(bad)} with an error that no docstring announces or a write that is lost")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
