"""What the chain promises as a whole, apart from what each revision does."""

import itertools
import os
import random
import re
import subprocess
import sys
from functools import partial

import pytest

from database import NAMING_CONVENTION, ROOT
from migrate import index
from migrate.autogenerate.scenarios import HOW
from migrate.chain import Revision
from migrate.ledger import FOLDER
from migrate.sample.described import read
from tests.support import REVISIONS, Database, Server, wait_for


def test_killed_again_and_again_it_comes_to_the_same_end(server: Server) -> None:
    database, undisturbed = server.after("create_initial_schema"), server.after("create_initial_schema")
    undisturbed.upgrade("head")
    chance = random.Random(1)
    for kills in itertools.count():
        process = subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=ROOT,
            env={**os.environ, "MIGRATION_DATABASE_URL": database.url.render_as_string(hide_password=False)},
            stderr=subprocess.DEVNULL,
        )
        wait_for(partial(at_work, process, database))
        try:
            process.wait(timeout=chance.uniform(0, 0.5) * 1.2**kills if kills else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        else:
            break
    assert process.returncode == 0
    assert kills
    assert database.schema() == undisturbed.schema()
    assert database.rows() == undisturbed.rows()


def at_work(process: subprocess.Popen[bytes], database: Database) -> bool:
    """Whether a run has connected to the database, or has ended."""
    sessions = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return process.poll() is not None or bool(database.query(sessions))


def upgrade_of(revision: Revision) -> str:
    """Return the source of a revision, as far as its way back."""
    return revision.path.read_text(encoding="utf-8").split("def downgrade")[0]


@pytest.mark.parametrize(
    "revision", [revision for revision in REVISIONS if "if_not_exists=True" in upgrade_of(revision)], ids=str
)
def test_a_valid_index_that_an_earlier_run_has_built_is_kept(revision: Revision, server: Server) -> None:
    database, valid = server.before(revision.slug), "SELECT indexrelid FROM pg_index WHERE indisvalid"
    assert database.crash(revision.slug, 1000)
    built = database.column(valid)
    database.upgrade(revision.slug)
    assert database.column(valid) == built


def test_the_picture_shows_the_branches_and_their_merge() -> None:
    picture = "\n".join(index.lines(REVISIONS, FOLDER)).split("```")[1]
    [dev] = re.findall(r"(n\d+)\[\"require_role_name\"\]", picture)
    [prod] = re.findall(r"(n\d+)\[\"index_audit_logs_user_timestamp\"\]", picture)
    [merge] = re.findall(r"(n\d+)\[\"merge_dev_and_prod\"\]", picture)
    start = re.findall(rf"(n\d+) --> (?:{dev}|{prod})\n", picture)
    assert len(start) == 2
    assert len(set(start)) == 1
    assert len(re.findall(rf"--> {merge}\n", picture)) == 2


def test_the_first_tables_take_every_awkward_row(server: Server) -> None:
    database = server.after("create_initial_schema", rows=False)
    database.fill(100)
    rows = database.rows()
    for table in ("users", "categories", "documents", "doc_pages", "legacy_exports"):
        said = read()[table]
        assert len(rows[table]) == max(1, round(100 * said.share)) + len(said.awkward)


def test_some_users_own_hundreds_of_documents_and_some_none(server: Server) -> None:
    database = server.after(REVISIONS[-1].slug, rows=False)
    database.fill(2000)
    owned = database.column(
        "SELECT count(d.id) FROM users u LEFT JOIN documents d ON d.user_id = u.id GROUP BY u.id"
    )
    assert max(owned) >= 200
    assert min(owned) == 0


@pytest.fixture
def last(server: Server) -> Database:
    """A database at the last of the revisions that the chain came with."""
    return server.after("index_webhook_deliveries")


def test_every_constraint_and_index_is_named_by_the_convention(last: Database) -> None:
    prefixes = tuple(rule.split("_")[0] + "_" for rule in NAMING_CONVENTION.values())
    names = last.column(
        "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' "
        "AND conrelid <> 'alembic_version'::regclass "
        "UNION SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class c ON c.oid = indrelid "
        "WHERE c.relnamespace = 'public'::regnamespace AND indrelid <> 'alembic_version'::regclass"
    )
    assert [name for name in names if not name.startswith(prefixes)] == []


def test_no_helper_of_a_migration_is_left_behind(last: Database) -> None:
    functions = last.column(
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1"
    )
    triggers = last.column(
        "SELECT DISTINCT tgname::text FROM pg_trigger WHERE NOT tgisinternal AND tgparentid = 0 ORDER BY 1"
    )
    others = last.column(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND (relkind IN ('v', 'm', 'f') OR relrowsecurity) UNION SELECT polname::text FROM pg_policy"
    )
    assert functions == ["documents_search_update", "touch_updated_at"]
    assert triggers == ["documents_search_update", "touch_updated_at"]
    assert others == []


def test_what_autogenerate_points_at_is_there() -> None:
    there = {revision.fields["Scenario"] for revision in REVISIONS}
    assert {how.scenario for how in HOW.values()} <= there
