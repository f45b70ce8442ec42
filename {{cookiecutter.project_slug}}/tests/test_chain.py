"""What every revision promises, asked of each one in turn."""

import ast
import itertools
import json
import re
from datetime import datetime

import pytest
from alembic.script import ScriptDirectory
from pytest_alembic.tests import (  # noqa: F401
    test_model_definitions_match_ddl,  # runs test_upgrade first
    test_up_down_consistency,
)

from migrate.chain import NAME, Revision, project_config
from migrate.ledger.policy import claimed_locks
from tests.support import REVISIONS, Rows, Server


def each(revisions: list[Revision]) -> pytest.MarkDecorator:
    """Ask each of these revisions."""
    return pytest.mark.parametrize("revision", revisions, ids=str)


each_revision = each(REVISIONS)
each_reversible = each([revision for revision in REVISIONS if revision.reversible])


def without(rows: Rows, revision: Revision) -> Rows:
    """Return the rows less what the revision's docstring says that its downgrade loses."""
    said = revision.fields.get("Rollback", "")
    lost = set(re.findall(NAME, said))
    kept = {}
    for table, lines in rows.items():
        columns = {name.removeprefix(f"{table}.").strip('"') for name in lost if name.startswith(f"{table}.")}
        if columns:
            parsed = [json.loads(line) for line in lines]
            kept[table] = sorted(str({c: v for c, v in row.items() if c not in columns}) for row in parsed)
        elif table not in lost and "every row" not in said:
            kept[table] = lines
    return kept


@each_reversible
def test_goes_up_and_down_and_up_with_rows(revision: Revision, server: Server) -> None:
    walk = server.walk(revision.slug)
    assert walk.down.schema == walk.before.schema
    assert without(walk.down.rows, revision) == without(walk.before.rows, revision)
    assert walk.again.schema == walk.after.schema
    assert without(walk.again.rows, revision) == without(walk.after.rows, revision)


@each_revision
def test_gives_the_same_offline_up_and_down(revision: Revision, server: Server) -> None:
    walk, database = server.walk(revision.slug), server.before(revision.slug)
    database.offline_upgrade(revision.slug)
    assert database.snapshot() == walk.after
    if revision.reversible:
        database.offline_downgrade(revision.slug)
        assert database.snapshot() == walk.down


@each([revision for revision in REVISIONS if not revision.autocommit("upgrade")])
def test_leaves_nothing_when_it_crashes(revision: Revision, server: Server) -> None:
    walk = server.walk(revision.slug)
    assert walk.crashed == walk.before


@each([revision for revision in REVISIONS if revision.autocommit("upgrade")])
def test_can_be_run_again_after_a_crash_at_any_statement(revision: Revision, server: Server) -> None:
    database = server.before(revision.slug)
    for statements in itertools.count(1):
        done = database.crash(revision.slug, statements)
        database.upgrade(revision.slug)
        assert database.snapshot() == server.walk(revision.slug).after, f"after {statements} statements"
        if done:
            break
        if revision.lossless:
            database.downgrade(revision.slug)
        else:
            database = server.before(revision.slug)


@each([revision for revision in REVISIONS if revision.autocommit("downgrade")])
def test_can_be_taken_back_after_a_crash_at_any_statement(revision: Revision, server: Server) -> None:
    database = server.before(revision.slug)
    for statements in itertools.count(1):
        database.upgrade(revision.slug)
        done = database.crash(revision.slug, statements, "downgrade")
        database.downgrade(revision.slug)
        assert database.snapshot() == server.walk(revision.slug).down, f"after {statements} statements"
        if done:
            break
        if not revision.lossless:
            database = server.before(revision.slug)


@each_revision
def test_runs_on_empty_tables(revision: Revision, server: Server) -> None:
    # Making it has run the revision on the empty tables of the one before.
    database = server.after(revision.slug, rows=False)
    assert database.schema() == server.walk(revision.slug).after.schema


@each_revision
def test_imports_nothing_of_the_application(revision: Revision) -> None:
    tree = ast.parse(revision.path.read_text(encoding="utf-8"))
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "." * node.level]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules <= {"alembic", "sqlalchemy"}


@each_revision
def test_says_what_it_does_and_what_it_costs(revision: Revision) -> None:
    assert revision.summary.endswith("."), "the first line is one sentence"
    assert not revision.unsaid, f"the docstring of {revision.path.name} lacks {revision.unsaid}"
    assert re.match(r"(lossless|loses .+|irreversible: .+)", revision.fields["Rollback"])
    locks = revision.fields["Locks"]
    assert claimed_locks(locks) or re.match(r"none\b", locks)


@each_revision
def test_is_named_by_its_date(revision: Revision) -> None:
    created = re.search(r"^Create Date: (.+)$", revision.script.longdoc, re.M)
    assert created
    assert revision.path.name.startswith(f"{datetime.fromisoformat(created[1]):%Y%m%d_%H%M}_")


@each_revision
def test_is_transactional_or_autocommit_but_not_both(revision: Revision) -> None:
    for function in revision.functions.values():
        blocks = [node for node in function.body if isinstance(node, ast.With)]
        assert not blocks or len(function.body) == 1, f"{function.name} mixes the two"


def test_there_is_one_head() -> None:
    heads = ScriptDirectory.from_config(project_config()).get_heads()
    assert len(heads) <= 1, "rebase one of them, or: alembic merge heads"
