"""What autogenerate looks at and what it leaves alone; what it writes, and that this runs.

The models stay as they are. Where a change of theirs is meant, the database is put back.
"""

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from database import ROOT, Base
from migrate.autogenerate import PLUGINS, Scope, scenarios
from tests.machinery.support import Database, Server, run, start


@pytest.fixture(autouse=True)
def worked(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """For each kind of change, a revision that shows it: `drop_a_column` is "drop a column"."""
    folder = tmp_path_factory.mktemp("worked")
    for change, how in scenarios.HOW.items():
        path = folder / f"20240101_0900_{change.replace(' ', '_')}.py"
        path.write_text(f'"""Do it.\n\nScenario: {how.scenario}\n"""\n')
    monkeypatch.setattr(scenarios, "VERSIONS", folder)


def differences(
    database: Database, exclude_tables: str = "", models: MetaData = Base.metadata, **more: Any
) -> list[Any]:
    options = {
        **Scope(exclude_tables).options(),
        "compare_type": True,
        "compare_server_default": True,
        "autogenerate_plugins": PLUGINS,
        **more,
    }
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), models))


@pytest.mark.parametrize(
    ("table", "patterns"),
    [
        ("temp_import", ""),
        ("spatial_ref_sys", "spatial_ref_sys, tiger_*"),
        ("tiger_roads", "spatial_ref_sys,tiger_*"),
        ("tiger_roads", "spatial_ref_sys tiger_*"),
    ],
)
def test_excluded_tables_are_left_alone_with_their_indexes(head: Database, table: str, patterns: str) -> None:
    head.execute(f"CREATE TABLE {table} (n integer UNIQUE, CHECK (n > 0))")
    head.execute(f"CREATE INDEX ON {table} (n)")
    assert differences(head, patterns) == []


@pytest.mark.parametrize("table", ["templates", "tempo", "my_temp_table"])
def test_a_table_that_only_looks_like_one_is_seen(head: Database, table: str) -> None:
    head.execute(f"CREATE TABLE {table} (n integer)")
    assert [difference[0] for difference in differences(head)] == ["remove_table"]


INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_repairs_tags'::regclass"


def replace_index(name: str, definition: str) -> str:
    return f"DROP INDEX {name}; CREATE INDEX {name} ON {definition}"


def replace_check(table: str, name: str, condition: str) -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} CHECK ({condition})"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE customers ALTER COLUMN phone TYPE varchar(21)",
        "ALTER TABLE customers ALTER COLUMN phone SET NOT NULL",
        "ALTER TABLE repairs DROP COLUMN minutes",
        "ALTER TABLE customers ADD COLUMN extra integer",
        "ALTER TABLE customers ADD CONSTRAINT ck_customers_extra CHECK (length(phone) > 3)",
        "ALTER TABLE repairs DROP CONSTRAINT fk_repairs_customer_id",
        "ALTER TABLE mechanics DROP CONSTRAINT uq_mechanics_name",
        "DROP INDEX idx_repairs_tags",
        "CREATE INDEX idx_customers_extra ON customers (phone)",
        # server defaults
        "ALTER TABLE repairs ALTER COLUMN priority SET DEFAULT 6",
        "ALTER TABLE repairs ALTER COLUMN priority DROP DEFAULT",
        "ALTER TABLE repairs ALTER COLUMN state SET DEFAULT 'done'",
        "ALTER TABLE repairs ALTER COLUMN tags SET DEFAULT '{a}'",
        "ALTER TABLE customers ALTER COLUMN joined_at SET DEFAULT clock_timestamp()",
        "ALTER TABLE customers ALTER COLUMN phone SET DEFAULT ''",
        "ALTER TABLE mechanics ALTER COLUMN id DROP IDENTITY",
        # of an index: WHERE, INCLUDE, operator class, method, parameters, columns, validity
        replace_index("idx_repairs_waiting", "repairs (created_at) WHERE state = 'failed'"),
        replace_index("idx_repairs_waiting", "repairs (created_at)"),
        replace_index(
            "idx_repairs_list", "repairs (created_at) INCLUDE (customer_id) WHERE closed_at IS NULL"
        ),
        replace_index("idx_repairs_details", "repairs USING gin (details)"),
        replace_index("idx_parts_name", "parts (name)"),
        replace_index(
            "idx_notes_at_brin",
            "notes USING brin (at) WITH (pages_per_range = 64, autosummarize = true)",
        ),
        replace_index("idx_customers_name_lower", "customers (lower(email), name)"),
        replace_index("idx_repairs_part_id", "repairs (part_id DESC)"),
        INVALID,
        # of a CHECK: the expression
        replace_check("repairs", "ck_repairs_priority_range", "priority BETWEEN 0 AND 1000"),
        replace_check("customers", "ck_customers_email_lowercase", "email = lower(email) OR email = ''"),
        # of an enum: the labels
        "ALTER TYPE repair_state ADD VALUE 'extra'",
        "ALTER TYPE repair_state RENAME VALUE 'failed' TO 'lost'",
        "CREATE TYPE extra AS ENUM ('a')",
    ],
)
def test_any_other_drift_is_seen(head: Database, statement: str) -> None:
    head.execute("UPDATE customers SET phone = '+49 30 1' WHERE phone IS NULL OR length(phone) < 4")
    head.execute(statement)
    assert differences(head) != []


def test_a_check_constraint_of_the_model_is_seen(head: Database) -> None:
    Table("extra", Base.metadata, Column("n", Integer), CheckConstraint("n > 0", name="positive"))
    try:
        head.execute("CREATE TABLE extra (n integer)")
        [(kind, constraint)] = differences(head)
        assert (kind, constraint.name) == ("add_constraint", "ck_extra_positive")
    finally:
        Base.metadata.remove(Base.metadata.tables["extra"])


def test_the_labels_of_any_enum_are_compared(empty: Database) -> None:
    empty.execute("CREATE SCHEMA billing")
    empty.execute("CREATE TYPE billing.state AS ENUM ('a', 'c')")
    empty.execute("CREATE TYPE \"State\" AS ENUM ('c')")
    empty.execute("CREATE TYPE plain AS ENUM ('a')")
    empty.execute('CREATE TABLE billing.invoices (state billing.state, states "State"[], plain plain)')
    models = MetaData()
    Table(
        "invoices",
        models,
        Column("state", Enum("a", "b", "c", name="state", schema="billing")),
        Column("states", ARRAY(Enum("it's", "c", name="State"))),
        Column("plain", Enum("a", name="plain")),
        schema="billing",
    )
    assert differences(empty, models=models) == [
        ("execute", "ALTER TYPE billing.state ADD VALUE IF NOT EXISTS 'b' AFTER 'a'"),
        ("execute", "ALTER TYPE \"State\" ADD VALUE IF NOT EXISTS 'it''s' BEFORE 'c'"),
    ]


def test_definitions_are_compared_in_any_schema(empty: Database) -> None:
    empty.execute("CREATE SCHEMA billing")
    empty.execute(
        "CREATE TABLE billing.invoices (n integer UNIQUE CHECK (n > 0), m integer CHECK (m BETWEEN 1 AND 2))"
    )
    empty.execute("CREATE INDEX by_n ON billing.invoices (n) WHERE n > 10")
    empty.execute("CREATE INDEX by_m ON billing.invoices (m) WHERE m IN (1, 2)")
    models = MetaData()
    table = Table(
        "invoices",
        models,
        Column("n", Integer),
        Column("m", Integer),
        UniqueConstraint("n", name="invoices_n_key", deferrable=True),
        CheckConstraint("n >= 0", name="invoices_n_check"),
        CheckConstraint("m between 1 and 2", name="invoices_m_check"),
        schema="billing",
    )
    Index("by_n", table.c.n, postgresql_where=table.c.n > 11)
    Index("by_m", table.c.m, postgresql_where=table.c.m.in_([1, 2]))
    found = differences(empty, models=models)
    assert [(kind, item.name) for kind, item in found] == [
        ("remove_constraint", "invoices_n_check"),
        ("remove_index", "by_n"),
        ("remove_constraint", "invoices_n_key"),
        ("add_constraint", "invoices_n_check"),
        ("add_index", "by_n"),
        ("add_constraint", "invoices_n_key"),
    ]


def test_comparing_leaves_nothing_behind(head: Database) -> None:
    before = head.schema()
    with head.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"autogenerate_plugins": PLUGINS})
        compare_metadata(context, Base.metadata)
        connection.commit()
        assert connection.scalar(text("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")) == 0
    assert head.schema() == before


def test_comparing_adds_nothing_to_the_models(empty: Database) -> None:
    empty.execute("CREATE TABLE invoices (n integer, kind varchar(3))")
    models = MetaData()
    kind = Enum("a", "b:c", name="kind", native_enum=False, create_constraint=True)
    table = Table("invoices", models, Column("n", Integer), Column("kind", kind))
    table.append_constraint(CheckConstraint(table.c.n % 2 == 0, name="even"))
    constraints = set(table.constraints)
    added = [item.name for name, item in differences(empty, models=models) if name == "add_constraint"]
    assert sorted(added) == ["even", "kind"]
    assert table.constraints == constraints


class Backend:
    """A backend whose history is one revision, r0, that leads to the models."""

    def __init__(self, database: Database, ini: Path) -> None:
        database.execute("UPDATE alembic_version SET version_num = 'r0'")
        shutil.copy(ROOT / "pyproject.toml", ini.parent)  # ruff's settings
        self.database, self.ini = database, ini
        self.config = Config(ini)
        self.config.attributes["connection"] = database.engine

    def revise(self, name: str = "change") -> list[str]:
        """Run `alembic revision --autogenerate`, and return what each file does to go up."""
        command.revision(self.config, message=name, autogenerate=True)
        return [re.split(r"^def \w+", file.read_text(), flags=re.M)[1] for file in self.files]

    @property
    def files(self) -> list[Path]:
        """The files that were written, by name."""
        return sorted(file for file in (self.ini.parent / "versions").glob("*.py") if file.name != "r0.py")

    def upgrade(self) -> None:
        command.upgrade(self.config, "head")

    def downgrade(self) -> None:
        command.downgrade(self.config, "r0")


@pytest.fixture
def backend(head: Database, chain: Callable[..., Path]) -> Backend:
    """A backend at head, with rows."""
    return Backend(head, chain("SELECT 1"))


def review(source: str) -> str:
    """Return the remarks of a revision, without their line breaks."""
    return re.sub(r"\s*\n\s*# (?=[\w.])(?!REVIEW)", " ", source)


# What the database lacks or has too much; then, for each revision that is written, what it
# must say.
CHANGES = {
    "add_column": (
        "ALTER TABLE customers DROP COLUMN phone",
        [r"\) -> None:\n    # ###.*\n    op.add_column\("],
    ),
    "add_index": (
        "DROP INDEX idx_repairs_tags",
        [
            (
                r"(?s)with op.get_context\(\).autocommit_block\(\):\s+op.drop_index\(.*if_exists=True.*"
                r"op.create_index\(.*postgresql_using=\"gin\".*postgresql_concurrently=True"
            )
        ],
    ),
    "change_index": (
        replace_index("idx_repairs_list", "repairs (created_at DESC) INCLUDE (title)"),
        [r"(?s)REVIEW: drops the index .*replace_an_index.*autocommit.*postgresql_include="],
    ),
    "drop_index": (
        "ANALYZE parts; CREATE INDEX extra ON parts USING brin (id) WITH (pages_per_range = 8)",
        [r"REVIEW: drops the index extra: .* \(about [\d,]+ rows\).*drop_an_index"],
    ),
    "add_index_to_partitions": (
        "DROP INDEX idx_visits_repair_id_at",
        [r"REVIEW: .*index_partitions(?s:.*)op.create_index\((?!(?s:.*)concurrently)"],
    ),
    "add_foreign_key": (
        "ALTER TABLE repairs DROP CONSTRAINT fk_repairs_part_id",
        [
            r"(?s)op.create_foreign_key\(.*postgresql_not_valid=True",
            r"REVIEW: fails if .*repair_orphans(?s:.*)VALIDATE CONSTRAINT fk_repairs_part",
        ],
    ),
    "change_foreign_key": (
        (
            "ALTER TABLE repairs DROP CONSTRAINT fk_repairs_part_id, "
            "ADD CONSTRAINT fk_repairs_part_id FOREIGN KEY (part_id) REFERENCES parts"
        ),
        [r"REVIEW: drops .*change_a_foreign_key(?s:.*)SET NULL(?s:.*)not_valid=True", r"VALIDATE CONSTRAINT"],
    ),
    "add_foreign_key_to_partitions": (
        "ALTER TABLE visits DROP CONSTRAINT fk_visits_repair_id",
        [r"REVIEW: fails if rows .*each partition(?s:.*)create_foreign_key\((?!(?s:.*)not_valid)"],
    ),
    "add_check": (
        "ALTER TABLE customers DROP CONSTRAINT ck_customers_email_lowercase",
        [
            r"(?s)op.create_check_constraint\(.*not_valid=True",
            "VALIDATE CONSTRAINT ck_customers_email_lowercase",
        ],
    ),
    "change_check": (
        replace_check("repairs", "ck_repairs_priority_range", "priority BETWEEN 0 AND 1000"),
        [r"REVIEW: drops .*change_a_check(?s:.*)not_valid=True", "VALIDATE CONSTRAINT"],
    ),
    "drop_check": (
        "ALTER TABLE customers ADD CONSTRAINT extra CHECK (length(email) < 1000)",
        ["REVIEW: drops the constraint extra: from then on rows may break it"],
    ),
    "add_unique": (
        "ALTER TABLE mechanics DROP CONSTRAINT uq_mechanics_name",
        [r"REVIEW: .*merge_rows(?s:.*)autocommit_block(?s:.*)UNIQUE USING INDEX uq_mechanics_name"],
    ),
    "add_unique_nulls_not_distinct": (
        "ALTER TABLE parts DROP CONSTRAINT uq_parts_assembly_id_name",
        [r"(?s)postgresql_nulls_not_distinct=True.*USING INDEX"],
    ),
    "drop_unique": (
        "ALTER TABLE customers ADD CONSTRAINT extra UNIQUE (id, email) DEFERRABLE INITIALLY DEFERRED",
        ["REVIEW: drops the constraint extra"],
    ),
    "require_column": (
        "ALTER TABLE parts ALTER COLUMN maker DROP NOT NULL, ALTER COLUMN maker TYPE varchar(200)",
        [
            r"(?s)type_=sa.String\(length=255\).*maker IS NOT NULL.*not_valid=True",
            r"fill_a_column(?s:.*)VALIDATE",
            r"\) -> None:\n    # ###.*\n    op.alter_column\((?s:.*)op.drop_constraint\(",
        ],
    ),
    "widen_column": (
        "ALTER TABLE parts ALTER COLUMN maker TYPE varchar(200)",
        [r"\) -> None:\n    # ###.*\n    op.alter_column\("],
    ),
    "narrow_column": (
        "ALTER TABLE parts ALTER COLUMN maker TYPE text",
        [r"REVIEW: no session can read or write parts .*change_a_type"],
    ),
    "rewrite_column": (
        "ALTER TABLE repairs ALTER COLUMN minutes TYPE integer",
        [r"REVIEW: no session can read or write repairs .*change_a_type"],
    ),
    "change_time_zone": (
        "ALTER TABLE repairs ALTER COLUMN closed_at TYPE timestamp",
        [r"REVIEW: unless the session's time zone is UTC.*add_a_time_zone"],
    ),
    "add_column_with_volatile_default": (
        "ALTER TABLE notes DROP COLUMN id",
        [r"REVIEW: no session can read or write notes .*require_a_column"],
    ),
    "drop_column": (
        "ANALYZE customers; ALTER TABLE customers ADD COLUMN extra integer DEFAULT 1",
        [r"REVIEW: drops the column customers.extra and what it holds \(about [\d,]+ rows\).*drop_a_column"],
    ),
    "drop_column_with_index": (
        "ALTER TABLE customers ADD COLUMN extra integer; CREATE INDEX extra_index ON customers (extra DESC)",
        ["REVIEW: drops the index extra_index", "REVIEW: drops the column customers.extra"],
    ),
    "rename_column": (
        "ALTER TABLE customers RENAME COLUMN phone TO telephone",
        [
            (
                r"REVIEW: a rename\? If phone is what telephone was, .*rename_a_column .*\n"
                r'(?s:.*)#     op.alter_column\("customers", "telephone", new_column_name="phone"\)'
            )
        ],
    ),
    "rename_table": (
        (
            "DROP TABLE notes; CREATE TABLE remarks (id uuid DEFAULT gen_random_uuid() PRIMARY KEY, "
            "repair_id uuid NOT NULL REFERENCES repairs, line integer NOT NULL, text text, "
            "at timestamptz DEFAULT now() NOT NULL)"
        ),
        [
            (
                r"REVIEW: a rename\? If notes is what remarks was(?s:.*)"
                r'#     op.rename_table\("remarks", "notes"\)(?s:.*)REVIEW: drops the table remarks'
            )
        ],
    ),
    "drop_tables": (
        (
            "CREATE TABLE a_parents (id integer PRIMARY KEY); CREATE TABLE parents (id integer PRIMARY KEY); "
            "CREATE TABLE children (id integer REFERENCES parents, other integer REFERENCES a_parents); "
            "CREATE INDEX ON children (id); ALTER TABLE customers ADD COLUMN extra integer REFERENCES parents"
        ),
        [r'(?s)REVIEW: .*customers.extra.*REVIEW: .*REVIEW: drops the table ch.*op.drop_table\("parents"'],
    ),
    "create_enum": (
        (
            "DROP TRIGGER close_repair ON repairs; ALTER TABLE repairs DROP COLUMN state; "
            "DROP TYPE repair_state"
        ),
        [
            r'op.execute\("CREATE TYPE repair_state AS(?s:.*)create_type=False',
            "idx_repairs_waiting",
        ],
    ),
    "drop_enum": (
        "CREATE TYPE extra AS ENUM ('a', 'b'); ALTER TABLE customers ADD COLUMN extra extra[]",
        [r"REVIEW: drops the type extra(?s:.*)DROP TYPE extra"],
    ),
    "add_two_indexes": (
        "DROP INDEX idx_repairs_tags, idx_repairs_details",
        ["idx_repairs_details", "idx_repairs_tags"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_written_says_what_it_costs_and_runs_up_and_down(change: str, backend: Backend) -> None:
    statement, expected = CHANGES[change]
    database = backend.database
    for part in statement.split("; "):
        database.execute(part)
    before = database.schema()
    written = backend.revise()
    assert len(written) == len(expected), written
    for source, pattern in zip(written, expected, strict=True):
        assert re.search(pattern, review(source)), source
    for check in (["check", "--ignore=E501"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, *backend.files], check=True)

    backend.upgrade()
    assert differences(database) == []
    after = database.schema()
    backend.downgrade()
    assert database.schema() == before
    backend.upgrade()
    assert database.schema() == after


def remove_label(database: Database, label: str) -> None:
    """Take a label from the enum that the models have. No row may hold it."""
    database.execute("UPDATE repairs SET state = 'waiting'")
    database.execute(
        "DELETE FROM pg_enum WHERE enumlabel = :label AND enumtypid = 'repair_state'::regtype",
        label=label,
    )


def test_a_new_label_is_added_at_its_place(backend: Backend) -> None:
    remove_label(backend.database, "working")
    before = backend.database.column("SELECT enum_range(NULL::repair_state)::text")
    [source] = backend.revise()
    assert re.search(
        r"autocommit_block\(\):\s+op.execute\(.* ADD VALUE IF NOT EXISTS 'working' AFTER 'wait", source
    )
    down = backend.files[0].read_text().split("def downgrade")[1]
    assert "remove_a_label" in review(down)
    backend.upgrade()
    assert differences(backend.database) == []
    backend.downgrade()
    backend.upgrade()
    assert backend.database.value("SELECT enum_range(NULL::repair_state)::text") == (
        "{waiting,working,done,failed}"
    )
    assert before == ["{waiting,done,failed}"]


def test_all_at_once_is_split_in_an_order_that_runs_online_and_offline(
    backend: Backend, server: Server
) -> None:
    database = backend.database
    remove_label(database, "failed")
    database.execute("ALTER TABLE customers DROP COLUMN phone")
    database.execute("ALTER TABLE repairs DROP CONSTRAINT fk_repairs_part_id")
    database.execute("ALTER TABLE mechanics DROP CONSTRAINT uq_mechanics_name")
    database.execute("CREATE INDEX extra ON customers (joined_at)")
    database.execute("DROP INDEX idx_repairs_tags")
    Table("extra", Base.metadata, Column("mechanic", String, ForeignKey("mechanics.name")))
    try:
        offline = server.create(database.url.database)
        backend.revise()
        assert [file.stem.split("_", 2)[2] for file in backend.files] == [
            "change_1_labels",
            "change_2_drop_extra",
            "change_3_uq_mechanics_name",
            "change_4",
            "change_5_validate",
            "change_6_idx_repairs_tags",
        ]
        backend.upgrade()
        assert differences(database) == []
        output = io.StringIO()
        backend.config.output_buffer = output
        command.upgrade(backend.config, "r0:head", sql=True)
        offline.psql(output.getvalue())
        assert offline.schema() == database.schema()
        backend.downgrade()
        backend.upgrade()
        assert differences(database) == []
    finally:
        Base.metadata.remove(Base.metadata.tables["extra"])


def test_what_a_failed_build_left_is_replaced(backend: Backend) -> None:
    database = backend.database
    database.execute("DROP INDEX idx_repairs_tags")
    backend.revise()
    database.execute("CREATE INDEX idx_repairs_tags ON repairs (tags)")
    database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_repairs_tags'::regclass")
    backend.upgrade()
    assert differences(database) == []


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["RENAME VALUE 'failed' TO 'lost'"], "the models lack 'lost'"),
        (["ADD VALUE 'archived'"], "the models lack 'archived'"),
        (
            [
                "RENAME VALUE 'failed' TO 'x'",
                "RENAME VALUE 'done' TO 'failed'",
                "RENAME VALUE 'x' TO 'done'",
            ],
            "the models order them differently",
        ),
    ],
)
def test_a_label_removed_renamed_or_moved_stops_with_a_pointer(
    statements: list[str], says: str, backend: Backend
) -> None:
    for statement in statements:
        backend.database.execute(f"ALTER TYPE repair_state {statement}")
    with pytest.raises(CommandError) as error:
        backend.revise()
    message = str(error.value)
    assert says in message
    assert "scenario rename_a_label" in message
    assert "scenario remove_a_label" in message
    assert "\n" not in message
    assert backend.files == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TYPE repair_state ADD VALUE 'archived'",
        replace_index("idx_repairs_details", "repairs USING gin (details)"),
        replace_check("repairs", "ck_repairs_priority_range", "priority BETWEEN 0 AND 1000"),
    ],
)
def test_check_fails_on_what_alembic_alone_does_not_see(statement: str, backend: Backend) -> None:
    assert run(backend.database, "check", ini=backend.ini)[0] == 0
    backend.database.execute(statement)
    code, errors = run(backend.database, "check", ini=backend.ini)
    assert code != 0
    assert "New upgrade operations detected" in errors
    assert "Traceback" not in errors


def test_no_changes_write_no_revision(backend: Backend) -> None:
    process = start(backend.database, "revision", "--autogenerate", "-m", "nothing", ini=backend.ini)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == "no changes: models and database agree; nothing written\n"
    assert backend.files == []
    assert run(backend.database, "revision", "-m", "by_hand", ini=backend.ini)[0] == 0
    assert [file.stem.split("_", 2)[2] for file in backend.files] == ["by_hand"]


def test_a_revision_without_a_name_is_refused(backend: Backend) -> None:
    backend.database.execute("DROP INDEX idx_repairs_tags")
    code, errors = run(backend.database, "revision", "--autogenerate", ini=backend.ini)
    assert code != 0
    assert "the revision has no name" in errors
    assert "Traceback" not in errors
    assert backend.files == []


def test_a_name_that_would_be_cut_off_is_refused(backend: Backend) -> None:
    backend.database.execute("DROP INDEX idx_repairs_tags, idx_repairs_details")
    with pytest.raises(CommandError, match="the name is too long, 55 characters"):
        backend.revise("a" * 56)
    assert backend.files == []
    assert len(backend.revise("a" * 55)) == 2


def test_a_column_that_rows_cannot_have_is_not_added(backend: Backend) -> None:
    backend.database.execute("ALTER TABLE repairs DROP COLUMN title")
    before = backend.database.schema()
    source = backend.revise()[0]
    assert re.search(r"REVIEW: fails if repairs has rows.*require_a_column", review(source))
    with pytest.raises(CommandError, match="contains null values"):
        backend.upgrade()
    assert backend.database.schema() == before


def test_a_column_that_comes_back_without_values_is_marked(backend: Backend) -> None:
    backend.database.execute("ALTER TABLE customers ADD COLUMN extra integer NOT NULL DEFAULT 1")
    backend.database.execute("ALTER TABLE customers ALTER COLUMN extra DROP DEFAULT")
    backend.revise()
    down = backend.files[0].read_text().split("def downgrade")[1]
    assert "REVIEW: fails if customers has rows, because the values are gone" in review(down)


def test_a_type_that_takes_a_cast_gets_it_with_a_mark(backend: Backend) -> None:
    backend.database.execute("DROP INDEX idx_repairs_waiting; DROP TRIGGER close_repair ON repairs")
    backend.database.execute("ALTER TABLE repairs ALTER COLUMN state DROP DEFAULT")
    backend.database.execute("ALTER TABLE repairs ALTER COLUMN state TYPE text")
    source = backend.revise()[0]
    assert "REVIEW: fails if a value of repairs.state does not fit repair_state." in review(source)
    assert r"USING state\\:\\:repair_state" in source
    backend.upgrade()
    assert differences(backend.database) == []


def test_a_column_that_holds_null_stays_as_it_is(backend: Backend) -> None:
    backend.database.execute("ALTER TABLE parts ALTER COLUMN maker DROP NOT NULL")
    backend.database.execute("UPDATE parts SET maker = NULL")
    backend.revise()
    with pytest.raises(CommandError, match="violated by some row"):
        backend.upgrade()
    backend.database.execute("UPDATE parts SET maker = 'x'")
    backend.upgrade()
    assert differences(backend.database) == []


def test_a_remark_names_the_revision_that_shows_it_or_says_it_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenarios, "VERSIONS", tmp_path)
    assert scenarios.scenario("rename a label") == "ALTER TYPE … RENAME VALUE"
    (tmp_path / "20250109_1005_rename_failed.py").write_text(
        '"""Rename.\n\nScenario: rename a label of an enum\nLocks: none\n"""\n'
    )
    assert scenarios.scenario("rename a label") == "see the scenario rename_failed in alembic/versions"


def test_a_role_that_may_make_no_copies_is_told_so(backend: Backend) -> None:
    database, role = backend.database, f"{backend.database.url.database}_reader"
    database.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{role}'")
    try:
        database.execute(f'REVOKE TEMPORARY ON DATABASE "{database.url.database}" FROM PUBLIC')
        database.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
        reader = Database(database.url.set(username=role, password=role))
        code, errors = run(reader, "check", ini=backend.ini)
    finally:
        database.execute(f'DROP OWNED BY "{role}"')
        database.execute(f'DROP ROLE "{role}"')
    assert code != 0
    assert "GRANT TEMPORARY ON DATABASE" in errors
    assert "Traceback" not in errors
