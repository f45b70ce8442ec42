"""What every revision promises, whatever its tables are: how it is written, and what it does."""

import ast
import itertools
import json
import re
from collections.abc import Iterable
from datetime import datetime

import pytest
from alembic import command

from database import ROOT
from migrate.chain import NAME, Revision
from migrate.ledger.policy import claimed_locks
from tests.support import HEADS, REVISIONS, Database, Rows, Server, Snapshot, offline_script

# How the files are written. Each test names every file that is to be changed, and how.


def report(found: Iterable[str]) -> None:
    """Fail with these lines and no traceback, if there are any."""
    if lines := list(found):
        pytest.fail("\n".join(lines), pytrace=False)


def test_there_is_one_head() -> None:
    if len(HEADS) > 1:
        files = ", ".join(head.path.name for head in HEADS)
        yours = "python -m migrate rebase puts the one that is yours after the other"
        report([f"{len(HEADS)} heads, {files}: {yours}; alembic merge heads, where databases ran both"])


def test_a_file_is_named_by_its_date() -> None:
    found = []
    for revision in REVISIONS:
        created = re.search(r"^Create Date: (.+)$", revision.script.longdoc, re.M)
        if not created:
            found.append(f"{revision.path.name}: the docstring lacks Create Date:")
        elif not revision.path.name.startswith(date := f"{datetime.fromisoformat(created[1]):%Y%m%d_%H%M}_"):
            found.append(
                f"{revision.path.name}: by its Create Date it is {date}{revision.slug}.py: rename it"
            )
    report(found)


def test_a_docstring_says_what_the_revision_does_and_what_it_costs() -> None:
    found = []
    for revision in REVISIONS:
        name, said = revision.path.name, revision.fields
        if not revision.summary.endswith("."):
            found.append(f"{name}: the docstring's first line is no sentence with a full stop")
        found += [f"{name}: the docstring lacks {field}:" for field in revision.unsaid]
        if not re.match(r"none\b", locks := said.get("Locks", "none")) and not claimed_locks(locks):
            found.append(f"{name}: Locks: says neither none nor TABLE LOCK, as `make ledger` measures it")
        if not re.match(r"lossless|loses .|irreversible: .", said.get("Rollback", "lossless")):
            found.append(f"{name}: Rollback: says neither lossless nor loses WHAT nor irreversible: WHY")
    report(found)


def test_a_revision_imports_nothing_of_the_project() -> None:
    project = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/*.py")}
    found = []
    for revision in REVISIONS:
        for node in ast.walk(ast.parse(revision.path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            found += [
                f"{revision.path.name}: imports {module}, which will change: copy what it needs of it"
                for module in modules
                if module.split(".")[0] in project - {"alembic"}
            ]
    report(found)


def test_a_revision_is_one_transaction_or_has_none() -> None:
    found = []
    for revision in REVISIONS:
        for name, function in revision.functions.items():
            outside = [node for node in map(ast.unparse, function.body) if "autocommit_block" not in node]
            if len(outside) < len(function.body) and any(re.search(r"\bop\.", node) for node in outside):
                found.append(
                    f"{revision.path.name}: {name}() is partly in autocommit_block(): split it in two"
                )
    report(found)


# What they do.


def test_all_go_up_and_down_and_up_on_empty_tables(empty: Database, head: Database) -> None:
    nothing = empty.schema()
    command.upgrade(empty.alembic(), "heads")
    assert empty.schema() == head.schema()
    if all(revision.reversible for revision in REVISIONS):
        command.downgrade(empty.alembic(), "base")
        assert empty.schema() == nothing
        command.upgrade(empty.alembic(), "heads")
        assert empty.schema() == head.schema()


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_each_goes_up_and_down_and_up_on_rows_through_crashes_and_as_sql(
    revision: Revision, server: Server
) -> None:
    database = server.before(revision.slug)
    before = database.snapshot()
    if not revision.autocommit("upgrade"):
        database.crash(revision.slug, 1)  # what it leaves, if anything, is in the way of what follows
    run_despite_crashes(database, revision, "upgrade")
    after = database.snapshot()
    if revision.reversible:
        run_despite_crashes(database, revision, "downgrade")
        down = database.snapshot()
        assert_same_down(down, before, revision, "down")
    if not revision.reversible or not (revision.parents or revision.needs):
        # The script of a first revision creates Alembic's own table as well.
        database = server.before(revision.slug)
    run_as_script(database, revision, "upgrade")
    assert_same_up(database.snapshot(), after, revision, server)
    if revision.reversible:
        run_as_script(database, revision, "downgrade")
        assert_same_down(database.snapshot(), down, revision, "down, as SQL")


def run_despite_crashes(database: Database, revision: Revision, direction: str) -> None:
    """Run a revision until it comes to its end.

    Outside of a transaction the connection is lost after the first statement, then after the
    second, and so on: twice after each, and once before the version is written. Each run begins on
    what the one before it has left: of an index, once what a build leaves that was broken off. In the
    end each statement has run an even number of times, so one that must not be repeated gives other
    rows, even where twice is as good as never.
    """
    if revision.autocommit(direction):
        for statements in itertools.count(1):
            if database.crash(revision.slug, statements, direction, in_build=True):
                if database.query("SELECT FROM pg_index WHERE NOT indisvalid"):
                    # The next run builds it again, and the one after that has to keep it.
                    database.crash(revision.slug, statements, direction)
                    database.crash(revision.slug, statements, direction)
                break
            database.crash(revision.slug, statements, direction)
    getattr(database, direction)(revision.slug)


def run_as_script(database: Database, revision: Revision, direction: str) -> None:
    """Run what `alembic --sql` writes through psql. What reads the database cannot be written so."""
    try:
        script = offline_script(revision, direction)
    except Exception:
        function = ast.unparse(revision.functions[direction])
        if not re.search(r"get_bind|get_context\(\)\.(bind|connection)", function):
            raise
        getattr(database, direction)(revision.slug)
    else:
        database.psql(script)


def assert_same_down(found: Snapshot, before: Snapshot, revision: Revision, way: str) -> None:
    """Check what a downgrade leaves: what there was before, less what the docstring says it loses."""
    assert found.schema == before.schema, f"{way}: another schema than before"
    differences = not_lost(differing(found.rows, before.rows), revision)
    assert not differences, f"{way}: other rows than before, and Rollback: does not say that it loses them"


def assert_same_up(found: Snapshot, after: Snapshot, revision: Revision, server: Server) -> None:
    """Check what an upgrade gives the second time, as SQL, against the first time, through crashes."""
    assert found.schema == after.schema, "up, as SQL: another schema"
    if differing(found.rows, after.rows):
        # Not every difference is a fault: what the downgrade lost is gone, and now() is another time.
        once, again, script = (server.before(revision.slug) for _ in range(3))
        once.upgrade(revision.slug)
        again.upgrade(revision.slug)
        run_as_script(script, revision, "upgrade")
        rows = once.rows()
        each_time = differing(again.rows(), rows)
        assert differing(after.rows, rows) <= each_time, "up, through crashes: other rows"
        assert differing(script.rows(), rows) <= each_time, "up, as SQL: other rows"
        assert not_lost(differing(found.rows, rows), revision) <= each_time, "up again, as SQL: other rows"


def differing(one: Rows, other: Rows) -> set[str]:
    """Return the columns that have other values, and the tables that have other rows besides."""
    found = one.keys() ^ other.keys()
    for table in one.keys() & other.keys():
        if one[table] == other[table]:
            continue
        left, right = ([json.loads(row) for row in side[table]] for side in (one, other))
        columns = {column for row in (*left, *right) for column in row}
        same = {c for c in columns if values(left, [c]) == values(right, [c])}
        found |= {f"{table}.{column}" for column in columns - same}
        if len(left) != len(right) or values(left, same) != values(right, same):
            found.add(table)
    return found


def values(rows: list[dict[str, object]], columns: Iterable[str]) -> list[str]:
    """Return some columns of rows, in an order of their own."""
    return sorted(json.dumps({column: row.get(column) for column in sorted(columns)}) for row in rows)


def not_lost(names: set[str], revision: Revision) -> set[str]:
    """Return the tables and columns of which the docstring does not say that the downgrade loses them."""
    said = revision.fields.get("Rollback", "")
    if "every row" in said:
        return set()
    lost = {name.replace('"', "") for name in re.findall(NAME, said)}
    return {name for name in names if not {plain := name.replace('"', ""), plain.rpartition(".")[0]} & lost}
