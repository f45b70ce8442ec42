"""Run each naive twin on rows, and see whether what is claimed of it comes true.

    cd A_GENERATED_BACKEND && PYTHONPATH=THE_TEMPLATE python -m lab.trials [SLUG …] > trials.json

One database goes up the chain, with the sample rows in it. Before each revision a copy is made
for its twin. What the twin does is observed as the ledger observes a revision. The revision
itself is then what each claim is held against: of the right way it must not be true.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from database import ROOT
from lab.copies import Copies
from lab.twins import Claim, Twin, TwinError, twins
from migrate.chain import Revision
from migrate.ledger import record as records
from migrate.ledger.locks import blocked_by
from migrate.ledger.measure import Entry, MeasureError, Run, Session
from migrate.ledger.policy import Policy
from migrate.review import Fault, failed, judged
from migrate.run.failures import first_cause, one_line
from migrate.target import scratch_server
from postgres.client import parameters
from tests.support import REVISIONS, Database

LEDGER = ROOT / "alembic" / "versions" / records.NAME

# As many as in the tests of a backend.
SAMPLE_ROWS = 500


@dataclass
class Verdict:
    """What came of one claim.

    Attributes:
        twin: the name of the file.
        claim: in its words.
        holds: whether it is true of the twin, and not of the right way.
        naive: what was seen of the twin.
        right: and of the right way.
    """

    twin: str
    claim: str
    holds: bool
    naive: str
    right: str


@dataclass
class Trial:
    """One twin that has been run.

    Attributes:
        twin: the file.
        database: where it ran.
        right: the database that has gone the right way.
        recorded: what the ledger says of the right way.
        autocommit: whether the right way commits on its way.
        run: what it did, None where it failed.
        state: the SQLSTATE with which it failed.
        sent: the statements that were sent.
        before: what the claims' SQL gave before.
        counts: how many rows a table had, by claim.
        secrets: values that must not be in a statement, by claim.
        faults: what a review finds.
    """

    twin: Twin
    database: Database
    right: Database | None = None
    recorded: dict[str, Any] = field(default_factory=dict)
    autocommit: bool = False
    right_state: str | None = None
    run: Run | None = None
    state: str | None = None
    sent: list[str] = field(default_factory=list)
    before: dict[str, "Answer"] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What SQL gave: the first value of its last statement, or the SQLSTATE of its error."""

    value: str = ""
    state: str | None = None

    def __str__(self) -> str:
        return f"fails {self.state}" if self.state else f"gives {self.value}"


# The walk.


def trials(only: Sequence[str] = ()) -> Iterator[Trial]:
    """Go up the chain, and yield each twin when the right way has been gone too.

    Args:
        only: the slugs of the revisions whose twins run; all by default.
    """
    ready: dict[str, list[Twin]] = {}
    for twin in twins():
        if not only or twin.slug in only:
            ready.setdefault(twin.slug, []).append(twin)
    recorded = records.load(LEDGER)
    with closing(Copies(scratch_server())) as copies, chain_read_once():
        base = Database(copies.make())
        for revision in REVISIONS:
            if only and not ready:
                return
            taken = ready.pop(revision.slug, [])
            up = [tried(twin, revision, base, copies) for twin in taken if not twin.downgrade]
            base.upgrade(revision.slug)
            down = [tried(twin, revision, base, copies) for twin in taken if twin.downgrade]
            entry: Any = records.find(recorded, revision)
            for each in (*up, *down):
                way = "downgrade" if each.twin.downgrade else "upgrade"
                each.recorded, each.autocommit = entry[way], revision.autocommit(way)
                each.right = each.right or base
                yield each
            copies.drop(keep=[base.url])
            base.fill(SAMPLE_ROWS)


def tried(twin: Twin, revision: Revision, base: Database, copies: Copies) -> Trial:
    """Run a twin on a copy of a database, and the right way on another one where it must be.

    Raises:
        TwinError: what it has been given, or what is to be asked of it, is no SQL for this database.
    """
    try:
        return _tried(twin, revision, base, copies)
    except (psycopg.Error, SQLAlchemyError) as error:
        raise TwinError(f"{twin.path.name}: {one_line(first_cause(error))}") from error


def _tried(twin: Twin, revision: Revision, base: Database, copies: Copies) -> Trial:
    done = Trial(twin, Database(copies.make(base.url)))
    if twin.given:
        prepare(done.database, twin.given)
    for claim in twin.claims:
        if "sql" in claim.parts:
            done.before[claim.words] = ask(done.database, claim.parts["sql"])
        if claim.kind == "locks rows":
            done.counts[claim.words] = count(done.database, claim)
        if claim.kind == "shows":
            column, table = claim.parts["column"], claim.parts["table"]
            query = f"SELECT {column} FROM {table} WHERE length({column}) > 10"
            done.secrets[claim.words] = done.database.column(query)
    if twin.given or twin.downgrade:
        done.right = Database(copies.make(done.database.url))
        try:
            (done.right.downgrade if twin.downgrade else done.right.upgrade)(revision.slug)
        except SQLAlchemyError as error:
            done.right_state = sqlstate(error)
    looked_at = Database(copies.make(done.database.url)) if twin.look else None
    observe(done, revision)
    if looked_at:
        for statement in twin.statements[: twin.look]:
            prepare(looked_at, statement.sql)
        done.database = looked_at
    return done


def observe(done: Trial, revision: Revision) -> None:
    """Run a twin as the ledger runs a revision, and note what it does."""
    twin = done.twin
    way: Literal["upgrade", "downgrade"] = "downgrade" if twin.downgrade else "upgrade"
    with tempfile.TemporaryDirectory() as folder:
        parent = revision.parents[0] if revision.parents else None
        path = Path(folder) / revision.path.name
        path.write_text(twin.revision(revision.id, parent), encoding="utf-8")
        if parent:
            stub = f'revision = "{parent}"\ndown_revision = None\ndef upgrade(): pass\n'
            (Path(folder) / "parent.py").write_text(stub, encoding="utf-8")
        scripts = ScriptDirectory(str(ROOT / "alembic"), version_locations=[folder])
        naive = Revision(scripts.get_revision(revision.id))
        with (
            closing(Session(done.database.url, scripts, None, SAMPLE_ROWS, False)) as session,
            noted(done.sent),
        ):
            try:
                done.run = session.move(naive, way)
            except MeasureError as error:
                done.state = sqlstate(error.__cause__)
                done.faults = [failed(error)]
                return
        measured = (
            Entry(naive, done.run, None) if way == "upgrade" else Entry(naive, Run("upgrade"), done.run)
        )
        faults = judged(measured, done.run.left, Policy(downgrade=twin.downgrade))
        done.faults = [fault for fault in faults if fault.kind != "docstring"]  # it has none


@contextmanager
def chain_read_once() -> Iterator[None]:
    """Have Alembic's commands share one reading of the chain, which takes longer than most of them."""
    shared = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    with patch.object(ScriptDirectory, "from_config", lambda _config: shared):
        yield


@contextmanager
def noted(sent: list[str]) -> Iterator[None]:
    """Note the statements that are sent meanwhile."""

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def sqlstate(error: BaseException | None) -> str | None:
    """Return the SQLSTATE that an error comes from."""
    while error is not None:
        if isinstance(error, psycopg.Error) and error.sqlstate:
            return error.sqlstate
        error = getattr(error, "orig", None) or error.__cause__
    return None


def prepare(database: Database, statements: str) -> None:
    """Run statements that have semicolons between them, each in a transaction of its own."""
    with closing(psycopg.connect(**parameters(database.url), autocommit=True)) as connection:
        for statement in statements.split("; "):
            connection.execute(statement.encode())


def ask(database: Database, statements: str) -> Answer:
    """Run statements that have semicolons between them, and undo what they have done."""
    answer = Answer()
    with closing(psycopg.connect(**parameters(database.url))) as connection:
        try:
            for statement in statements.split("; "):
                cursor = connection.execute(statement.encode())
                row = cursor.fetchone() if cursor.description else None
                answer = Answer(str(row[0]) if row else "nothing")
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.Error as error:
            return Answer(state=error.sqlstate)
    return answer


# The claims.


def verdicts(done: Trial) -> Iterator[Verdict]:
    """Yield what came of each claim, and whether the twin failed without a claim that it does."""
    twin = done.twin
    claimed = {claim.kind for claim in twin.claims}
    if done.state and "fails" not in claimed:
        yield Verdict(str(twin), "(it runs to its end)", False, f"fails {done.state}", "")
    for claim in twin.claims:
        naive, right, holds = CHECKS[claim.kind](done, claim)
        yield Verdict(str(twin), claim.words, holds, naive, right)


def fails(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    right = f"fails {done.right_state}" if done.right_state else "runs to its end"
    holds = done.state == claim.parts["state"] and not done.right_state
    return f"fails {done.state}" if done.state else "runs to its end", right, holds


def rewrites(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    naive, right = done.run.rewritten if done.run else [], done.recorded["rewrites"]
    table = claim.parts["table"]
    return f"rewrites {naive}", f"rewrites {right}", table in naive and table not in right


def blocks(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    who, table = claim.parts["who"], claim.parts["table"]
    verb, name = claim.parts.get("verb"), claim.parts.get("name", "")
    naive, before = [], None
    for statement in done.run.statements if done.run else []:
        if verb is None or name in {
            "scans": statement.scanned,
            "builds": [*statement.built],
            "rewrites": statement.rewritten,
            # It holds the one table already, and asks for the other.
            "waits for": [name] if before and name in statement.locks.keys() - before.locks.keys() else [],
        }.get(verb, []):
            held = before if verb == "waits for" else statement
            naive += [by] if held and (by := blocked_by(held.locks.get(table, "AccessShareLock"))) else []
        before = None if done.run and done.run.autocommit else statement
    modes = {
        None: [done.recorded["locks"].get(table)],
        "scans": done.recorded["full_scans"].values(),
        "builds": done.recorded["indexes_built"].values(),
        "rewrites": ["AccessExclusiveLock"] if done.recorded["rewrites"] else [],
        "waits for": [done.recorded["locks"].get(table)],
    }[verb]
    right = [by for mode in modes if mode and (by := blocked_by(mode))]
    return f"blocks {naive}", f"blocks {right}", naive[-1:] == [who] and who not in right


def locks_rows(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    """They are those that carry the number of the transaction that wrote the version, and those gone."""
    changed = 0
    if done.run and not done.run.autocommit and claim.parts["table"] in done.run.written:
        changed = count(done.database, claim, "WHERE xmin = (SELECT xmin FROM alembic_version)")
        changed += done.counts[claim.words] - count(done.database, claim)
    right = "commits on its way" if done.autocommit else "does not commit on its way"
    return f"changes {changed} rows in one transaction", right, changed > 1 and done.autocommit


def count(database: Database, claim: Claim, where: str = "") -> int:
    return int(database.value(f"SELECT count(*) FROM {claim.parts['table']} {where}"))


def scans_again(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    table, scanned, naive = claim.parts["table"], False, False
    for statement in done.run.statements if done.run and not done.run.autocommit else []:
        naive = naive or (scanned and blocked_by(statement.locks.get(table, "AccessShareLock")) == "reads")
        scanned = scanned or table in statement.scanned
    recorded = done.recorded
    right = bool(recorded["full_scans"].get(table)) and bool(recorded["blocks"].get(table))
    return f"asks for more after the scan: {naive}", f"does: {right}", naive and not right


def loses(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    assert done.right
    table, column = claim.parts["table"], claim.parts.get("column")
    naive, right = ({row["id"]: row for row in rows(where, table)} for where in (done.database, done.right))
    if column is None:
        lost = len(right.keys() - naive.keys())
    else:
        both = right.keys() & naive.keys()
        lost = sum(right[id_].get(column) not in (None, naive[id_].get(column)) for id_ in both)
    return f"{lost} of {len(right)} rows differ", "", lost > 0


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in database.rows().get(table, [])]


def breaks(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    """Running code goes on, of old code the right way waits for the end."""
    assert done.right
    before = done.before[claim.words]
    naive, right = (ask(where, claim.parts["sql"]) for where in (done.database, done.right))
    alike = right.state == naive.state
    holds = before.state is None and naive.state == claim.parts["state"]
    holds = holds and (alike if claim.kind == "breaks old code" else right.state is None)
    return f"before {before}, then {naive}", str(right), holds


def refuses(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    assert done.right
    naive = ask(done.database, claim.parts["sql"])
    right = ask(done.right, claim.rather or claim.parts["sql"])
    return str(naive), str(right), naive.state == claim.parts["state"] and right.state is None


def accepts(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    assert done.right
    naive, right = (ask(where, claim.parts["sql"]) for where in (done.database, done.right))
    return str(naive), str(right), naive.state is None and right.state is not None


def answers(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    assert done.right
    naive = ask(done.database, claim.parts["sql"])
    right = ask(done.right, claim.rather or claim.parts["sql"])
    holds = naive == Answer(claim.parts["value"]) and right.state is None and right != naive
    return str(naive), str(right), holds


# With many rows it would read a table from end to end only if no index can serve.
PLAN = "ANALYZE; SET LOCAL enable_seqscan = off; SET LOCAL enable_indexonlyscan = on"


def plans(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    assert done.right
    node = claim.parts["node"]
    naive = plan(done.database, claim.parts["sql"])
    right = plan(done.right, claim.rather or claim.parts["sql"])
    return naive, right, node in naive and bool(right) and node not in right


def plan(database: Database, query: str) -> str:
    with closing(psycopg.connect(**parameters(database.url))) as connection:
        for setting in PLAN.split("; "):
            connection.execute(setting.encode())
        lines = connection.execute(f"EXPLAIN (COSTS OFF) {query}".encode()).fetchall()
        return " / ".join(line.strip(" ->") for (line,) in lines)


def larger(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    assert done.right
    naive, right = (
        int(ask(where, f"SELECT pg_relation_size('{name}')").value or 0)
        for where, name in ((done.database, claim.parts["index"]), (done.right, claim.parts["other"]))
    )
    return f"{naive:,} bytes", f"{right:,} bytes", naive > right > 0


def shows(done: Trial, claim: Claim) -> tuple[str, str, bool]:
    secrets = done.secrets[claim.words]
    shown = sum(any(secret in statement for statement in done.sent) for secret in secrets)
    return f"shows {shown} of {len(secrets)}", "", shown > 0


CHECKS = {
    "fails": fails,
    "rewrites": rewrites,
    "blocks": blocks,
    "locks rows": locks_rows,
    "scans again": scans_again,
    "loses": loses,
    "breaks running code": breaks,
    "breaks old code": breaks,
    "refuses": refuses,
    "accepts": accepts,
    "answers": answers,
    "plans": plans,
    "is larger": larger,
    "shows": shows,
}


def main() -> int:
    """Print, as JSON, what came of each claim and what a review by the ledger finds.

    Returns:
        The exit code: 1 where a claim does not hold, 2 where the lab itself cannot work.
    """
    parser = argparse.ArgumentParser(prog="lab.trials", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("slug", nargs="*", help="the revisions whose twins run; all by default")
    arguments = parser.parse_args()
    known = {twin.slug for twin in twins()}
    if unknown := set(arguments.slug) - known:
        parser.error(f"{', '.join(sorted(unknown))}: no such twin in lab/naive")
    logging.disable()
    begun = time.monotonic()
    found: dict[str, Any] = {"verdicts": [], "ledger": {}}
    try:
        for done in trials(arguments.slug):
            found["verdicts"] += map(asdict, verdicts(done))
            found["ledger"][str(done.twin)] = [asdict(fault) for fault in done.faults]
            print(f"{time.monotonic() - begun:5.1f} s  {done.twin}", file=sys.stderr)
    except (CommandError, TwinError, psycopg.Error) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=1))
    return int(not all(verdict["holds"] for verdict in found["verdicts"]))


if __name__ == "__main__":
    sys.exit(main())
