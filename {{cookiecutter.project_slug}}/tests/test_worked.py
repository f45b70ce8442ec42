"""What the chain promises as a whole, apart from what each revision does."""

import ast
import itertools
import os
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from database import NAMING_CONVENTION, ROOT
from migrate import find, index
from migrate.autogenerate.scenarios import HOW
from migrate.chain import Revision
from migrate.copying import adapt, needs, source, sql
from migrate.copying.renaming import Renaming
from migrate.ledger import FOLDER, record
from migrate.run.statements import GuardedImpl
from migrate.sample.described import read
from tests.support import REVISIONS, Database, Server, wait_for

WAYS = {"upgrade", "downgrade"}
MEASURED = record.load(FOLDER / record.NAME)

# What a build makes: not of a partitioned table, which is not valid before those of its partitions.
INDEXES = """
    SELECT oid FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace
"""
INDEX = """
    SELECT indexrelid::regclass::text, indrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index WHERE indexrelid = ANY (:indexes)
"""
# What others than the owner may do with tables, views and sequences.
PRIVILEGES = """
    SELECT pg_class.oid::regclass::text, grantee::regrole::text, privilege_type
    FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace, aclexplode(relacl)
    WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND grantee <> relowner ORDER BY 1, 2, 3
"""
WAITS = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE :query
"""


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


def code_of(revision: Revision, direction: str) -> str:
    """Return the source of one way of a revision, and of the functions that it calls."""
    file = revision.path.read_text(encoding="utf-8")
    names, found = [direction], dict[str, str]()
    while names:
        name = names.pop()
        if name in revision.functions and name not in found:
            function = revision.functions[name]
            found[name] = ast.get_source_segment(file, function) or ""
            names += [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
    return "\n".join(found.values())


@pytest.mark.parametrize(
    ("revision", "direction"),
    [
        (revision, direction)
        for revision in REVISIONS
        if "if_not_exists=True" in revision.path.read_text(encoding="utf-8")
        for direction in sorted(WAYS)
        if revision.autocommit(direction)
    ],
    ids=str,
)
def test_a_valid_index_that_an_earlier_run_has_built_is_kept(
    revision: Revision, direction: str, server: Server
) -> None:
    database = server.ready_for(revision.slug, direction)
    valid = "SELECT indexrelid FROM pg_index WHERE indisvalid"
    assert database.crash(revision.slug, 1000, direction)
    built = database.column(valid)
    database.execute("CREATE TABLE others (id integer); CREATE INDEX others_id ON others (id)")
    database.invalidate("others_id")  # what another build has left is not looked at
    getattr(database, direction)(revision.slug)
    assert database.column(valid) == built


@pytest.mark.parametrize(
    ("revision", "direction"),
    [
        (revision, direction)
        for revision in REVISIONS
        for direction in sorted(WAYS)
        if re.search(r"RENAME TO \S*_invalid", code_of(revision, direction))
        # This one adds a column before, and would wait for that.
        if (revision.slug, direction) != ("contract_user_email", "downgrade")
    ],
    ids=str,
)
def test_an_invalid_index_that_an_earlier_run_has_left_is_waited_for_and_makes_room(
    revision: Revision, direction: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It waits by itself: where it is copied to, there may be no guard that asks for the table first.
    monkeypatch.setattr(GuardedImpl, "_ask", lambda *_: None)
    database = server.ready_for(revision.slug, direction)
    there, statements = set(database.column(INDEXES)), 1
    while not (built := sorted(set(database.column(INDEXES)) - there)):
        database.crash(revision.slug, statements, direction)
        statements += 1
    [(name, table, sql)] = database.query(INDEX, indexes=built)
    database.execute(f"DROP INDEX {name}")
    outside = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with database.engine.connect() as build, database.engine.connect() as reader:
        build.execute(text(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        with outside.connect() as failing:
            failing.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(OperationalError):
                failing.exec_driver_sql(sql.replace("INDEX", "INDEX CONCURRENTLY", 1))
        # One runner was killed; the server goes on with its build. And somebody reads for long.
        build.execute(text(f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"))
        reader.execute(text(f"LOCK TABLE {table} IN ACCESS SHARE MODE"))
        with database.while_it_waits(revision.slug, direction):
            assert database.value("SELECT to_regclass(:name) IS NOT NULL", name=name)
            build.rollback()
            wait_for(lambda: database.query(WAITS, query="%DROP INDEX%"), 20)
            database.execute(f"SET lock_timeout = '1s'; LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
            reader.rollback()
    valid = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index ORDER BY 1"
    [back] = WAYS - {direction}
    assert database.query(valid) == server.ready_for(revision.slug, back).query(valid)


def test_a_docstring_is_no_wider_than_code() -> None:
    lines = [(revision.slug, line) for revision in REVISIONS for line in revision.script.longdoc.splitlines()]
    assert [(slug, line) for slug, line in lines if len(line) > 110] == []


# What hardly ever happens, and no measurement sees: so it is read in the files.


def test_outside_of_a_transaction_an_index_is_built_and_dropped_concurrently() -> None:
    found = [
        f"{revision.path.name}: {ast.unparse(call)}"
        for revision in REVISIONS
        for name, function in revision.functions.items()  # what both call counts as well
        if any(revision.autocommit(way) for way in ({name} & WAYS or WAYS))
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and re.match(r"op\.(create|drop)_index\b", ast.unparse(call))
        if "postgresql_concurrently=True" not in ast.unparse(call)
    ]
    assert found == []


def test_tables_for_which_traffic_waits_are_locked_in_one_statement() -> None:
    """Else a session that has the parent and asks for the child deadlocks with one that goes up."""
    without = set()
    for revision in REVISIONS:
        measured = MEASURED[revision.id]
        for direction, did in (("upgrade", measured["upgrade"]), ("downgrade", measured["downgrade"])):
            code = code_of(revision, direction)
            if (
                did
                and len(did["blocks"]) > 1
                and not did["autocommit"]
                and not all(re.search(rf"LOCK TABLE [^;\"]*\b{table}\b", code) for table in did["blocks"])
            ):
                without.add(revision.slug)
    # No table of these refers to another of them.
    assert without == {
        "drop_planned_review_shifts", "throttle_document_page_characters", "track_review_shift_changes",
    }  # fmt: skip


@pytest.mark.parametrize(
    "revision",
    [each for each in REVISIONS if re.search(r"\bUPDATE\s\S+( AS \w+)? SET\b", code_of(each, "upgrade"))],
    ids=str,
)
def test_a_row_that_keeps_its_values_is_not_written_again(revision: Revision, server: Server) -> None:
    database = server.before(revision.slug)
    before = places(database)
    database.upgrade(revision.slug)
    after = places(database)
    assert [row for row in before.keys() & after.keys() if before[row] != after[row]] == []


def places(database: Database) -> dict[tuple[str, str], str]:
    """Return where each row is, by its table and its values."""
    return {
        (table, row): place
        for table in database.tables()
        for row, place in database.query(f"SELECT t::text, tableoid || ctid::text FROM {table} AS t")
    }


@pytest.mark.parametrize(
    "revision",
    [each for each in REVISIONS if "aclexplode" in each.path.read_text(encoding="utf-8")],
    ids=str,
)
def test_privileges_that_are_copied_go_to_nobody_else(revision: Revision, server: Server) -> None:
    database = server.before(revision.slug)
    before = database.query(PRIVILEGES)
    for move in (database.upgrade, database.downgrade):
        move(revision.slug)
        assert database.query(PRIVILEGES) == before


def test_a_scenario_of_more_steps_begins_with_its_timeline() -> None:
    groups = tomllib.loads((FOLDER / find.SCENARIOS).read_text(encoding="utf-8"))
    for scenario in find.grouped(REVISIONS, groups):
        first, merges = scenario.steps[0], any(len(step.parents) > 1 for step in scenario.steps)
        if len(scenario.steps) > 1 and not merges:
            lines = re.findall(r"^    (\w.*?)  +\w", first.script.longdoc, re.M)
            told = [word for line in lines for word in line.split(", ") if word != "deploy"]
            assert told == [step.slug.split("_")[0] for step in scenario.steps], first


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


# What `Adapt:` and `Needs:` say, so that a program can copy a revision to other tables.

# A revision of yours needs no such lines.
COPIED = [revision for revision in REVISIONS if "Adapt" in revision.fields]

# Words of PostgreSQL, SQLAlchemy and Alembic that look like names.
WORDS = {
    "autosummarize", "autovacuum_analyze_scale_factor", "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_vacuum_scale_factor", "begins", "block_size", "brin", "btree_gist", "ccnew", "ccold", "check",
    "ctid", "data_exception", "dependencies", "ends", "epoch", "excluded", "false", "fillfactor",
    "foreignkey",
    "gin", "gin_trgm_ops", "grantee", "hash", "hex", "interval", "is_called", "jsonb_path_ops",
    "last_value", "lock_timeout", "mcv", "ndistinct", "object", "on", "pages_per_range", "pause",
    "pg_trgm", "plpgsql", "privilege_type", "program_limit_exceeded", "read_only_sql_transaction", "s",
    "search_path", "security_invoker", "server_version_num", "session_user", "simple", "spgist", "sql",
    "string", "timezone", "true", "unique",
    "app", "array", "copying", "ordinality", "value",
}  # fmt: skip
TYPES = {
    "bigint", "boolean", "date", "double", "integer", "interval", "jsonb", "precision", "record", "regclass",
    "regcollation", "regrole", "smallint", "text", "tid", "timestamptz", "trigger",
}  # fmt: skip
CATALOG = re.compile(
    r"(pg_|att|coll|con|ind|inh|ref|rel|replay_|restart_)\w+|dat(name|collversion)|oid|classid"
)
LOCALS = re.compile(r"""
    \bAS\ (\w+) | \bFOR\ (\w+)\ IN\b | \bFOREACH\ (\w+)\ IN\b | \bWITH\ (\w+)\ AS\b
    | \bTEMPORARY\ TABLE\ IF\ NOT\ EXISTS\ (\w+) | [(,]\ ?(\w+)\ (?:text|integer)\b
""", re.VERBOSE | re.MULTILINE)  # fmt: skip


def words(revision: Revision) -> list[str]:
    """Return each word of a revision's code that may be a name, or stand for a label."""
    tree = ast.parse(revision.path.read_text(encoding="utf-8"))
    found = ["uuid" for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "Uuid"]
    for node, kind in source.strings(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{x}" for part in parts)
        if kind == "sql":
            found += words_of_sql(text)
        elif kind == "name":
            found += text.split(".")
    return [word for word in found if word != word.upper() and "{" not in word]


def words_of_sql(text: str) -> list[str]:
    statement = sql.read(text)
    # What a view calls a column is a name in the database.
    aliases = {name for names in LOCALS.findall(text) for name in names} if " VIEW " not in text else set()
    own = aliases | statement.variables
    found = []
    for place, number in enumerate(statement.places):
        kind, word = statement.tokens[number]
        if kind == "string" and statement.near(place, -2) == "format":
            found += words_of_sql(word[1:-1])
        elif kind == "string" and re.fullmatch(r"'[a-z]\w*[a-z0-9]'", word):
            found.append(word[1:-1])
        elif kind == "name" and word not in own and not CATALOG.fullmatch(word):
            is_function = statement.near(place, 1) == "(" and statement.near(place, -1) not in BEFORE_COLUMNS
            names_type = word in TYPES and (word != "text" or sql.is_type(statement, place))
            if not (is_function or names_type):
                found.append(word)
    return found


# Behind these a bracket holds columns, and what stands before it is a table.
BEFORE_COLUMNS = {"INTO", "REFERENCES", "ANALYZE", "TABLE", "ONLY"}


def unnamed(found: Iterable[str], names: list[adapt.Name]) -> set[str]:
    """Return the words that are neither named, nor made of what is named, nor another program's."""
    said = {name.text for name in names}
    example = identity(names)
    keys = {"id"} if any(name.kind in ("key", "table") for name in names) else set()
    return {word for word in found if not (word in said | keys | WORDS or example.knows(word))}


def identity(names: list[adapt.Name]) -> Renaming:
    """Return the renaming that changes nothing."""
    same = {kind: {name.text: name.text for name in names if name.kind == kind} for kind in adapt.KINDS}
    return Renaming(tables=same["table"], others=same["column"] | same["name"])


def test_adapt_names_everything_in_the_code_that_is_the_examples() -> None:
    found = []
    for revision in COPIED:
        names = adapt.parse(revision.fields["Adapt"])
        if left := unnamed(words(revision), names):
            found.append(f"{revision.path.name}: Adapt: does not name {', '.join(sorted(left))}")
    assert not found, "\n".join(found)


def test_adapt_names_nothing_that_the_code_could_do_without() -> None:
    found = []
    for revision in COPIED:
        in_code, names = words(revision), adapt.parse(revision.fields["Adapt"])
        for name in names:
            rest = [other for other in names if other.text != name.text]
            if not unnamed(in_code, rest) and name.text not in in_code and not made_of(name, in_code):
                found.append(f"{revision.path.name}: {name} is not in the code")
    assert not found, "\n".join(found)


def made_of(name: adapt.Name, in_code: Iterable[str]) -> bool:
    """Whether a name of the code is made of this one. A key may be there by its column only."""
    return "id" in in_code if name.kind == "key" else any(identity([name]).knows(word) for word in in_code)


def test_what_a_revision_needs_and_adapts_is_so_before_it(empty: Database) -> None:
    found = []
    for revision in REVISIONS:
        said = revision.fields
        names, needed = adapt.parse(said.get("Adapt", "nothing")), said.get("Needs", "nothing")
        env = (ROOT / "alembic" / "env.py").read_text(encoding="utf-8")
        with empty.engine.connect() as connection:
            place = needs.Place(connection, env, identity(names))
            found += [f"{revision.path.name}: {line}" for line in needs.missing(names, place)]
            found += [f"{revision.path.name}: Needs: {line}" for line in needs.broken([needed], place)]
        empty.upgrade(revision.slug)
    assert not found, "\n".join(found)


def test_a_step_comes_after_a_step_of_the_chain() -> None:
    order = [revision.slug for revision in REVISIONS]
    for revision in COPIED:
        for step in needs.steps_before(revision.fields["Needs"]):
            assert step in order[: order.index(revision.slug)], f"{revision.slug}: after {step}"


def test_what_alembic_has_learned_lately_is_needed() -> None:
    for revision in COPIED:
        calls = [
            node for node in ast.walk(ast.parse(revision.path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]  # fmt: skip
        uses = any(
            isinstance(call.func, ast.Attribute) and call.func.attr in ("add_column", "drop_constraint")
            and any(word.arg in ("if_exists", "if_not_exists") for word in call.keywords)
            for call in calls
        )  # fmt: skip
        assert uses == ("Alembic 1.16" in revision.fields["Needs"]), revision.slug
