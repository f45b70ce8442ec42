"""Scenarios of the chain for other tables: `python -m migrate copy`."""

import ast
import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL

from migrate.__main__ import main as migrate
from migrate.chain import Revision, answers, revisions
from migrate.copying import CopyOptions, adapt, copy, sql, steps_of
from migrate.copying.renaming import Renaming
from migrate.ledger.policy import claimed_locks
from postgres import client
from postgres.schema import schema
from tests.conftest import TEMPLATE
from tests.machinery.support import REVISIONS, Server

CHAIN = TEMPLATE / "{{cookiecutter.project_slug}}/alembic/versions"


def read_chain() -> list[Revision]:
    """Return the worked chain, as it stands in the template."""
    return revisions(ScriptDirectory(str(CHAIN.parent), version_locations=[str(CHAIN)]))


WORKED = read_chain()


def scenarios() -> list[list[Revision]]:
    """Return the scenarios of the chain, each with its steps."""
    found = {steps[0].slug: steps for revision in WORKED if (steps := steps_of(WORKED, revision.slug))}
    return list(found.values())


def plain_project(folder: Path, url: URL) -> None:
    """Make what `alembic init` makes, with the URL, and with one transaction a revision."""
    folder.mkdir()
    with redirect_stdout(io.StringIO()):
        command.init(Config(folder / "alembic.ini"), str(folder / "alembic"))
    ini, env = folder / "alembic.ini", folder / "alembic/env.py"
    shown = url.render_as_string(hide_password=False).replace("%", "%%")
    ini.write_text(
        re.sub(r"(?m)^sqlalchemy.url = .*", lambda _: f"sqlalchemy.url = {shown}", ini.read_text())
    )
    known = "target_metadata=target_metadata"
    env.write_text(env.read_text().replace(known, f"{known}, transaction_per_migration=True"))


# A schema and names that have to be quoted, keys that are numbers.
SCHEMA = "Sales Data"


def foreign(name: adapt.Name) -> str:
    """Return what a name of the chain becomes: file_size is "File Size"."""
    match name.kind:
        case "table":
            return f"{SCHEMA}.{name.text.replace('_', ' ').title()}"
        case "column":
            return name.text.replace("_", " ").title()
        case "key":
            return "bigint"
        case "label":
            return f"{name.text}-x"
        case _:
            return name.text


def given(steps: list[Revision]) -> dict[str, list[str]]:
    """Return options of the command that name everything anew."""
    names = adapt.union(adapt.parse(step.fields["Adapt"]) for step in steps)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.kind, []).append(f"{name.text}={foreign(name)}")
    return found


# Rows for tables by the names that they have here, once a scenario of the chain has made them.
AWKWARD = {
    "create_initial_schema": """
        INSERT INTO "Sales Data"."Users" ("Email", "Full Name", "Password")
        SELECT CASE n % 7 WHEN 0 THEN 'SAM' || n / 14 ELSE 'sam' || n END || '@example.com',
            (ARRAY[NULL, '', 'Cher', 'Ada  King Lovelace', ' Zoë ', '🦊 Fox', repeat('x', 200)])[n % 7 + 1],
            'hash' || n
        FROM generate_series(1, 300) AS n;
        INSERT INTO "Sales Data"."Users" ("Email", "Full Name", "Password")
        SELECT upper("Email"), NULL, 'twin' FROM "Sales Data"."Users" WHERE id % 10 = 1;
        INSERT INTO "Sales Data"."Categories" ("Name")
        SELECT 'category ' || n % 8 FROM generate_series(1, 12) AS n;
        INSERT INTO "Sales Data"."Documents"
            ("User Id", "Name", "File Size", "Category Id", "Metadata", "Legacy Status")
        SELECT n % 300 + 1, 'invoice_' || n || '.pdf', (ARRAY[0, 1, 2147483647])[n % 3 + 1],
            nullif(n % 20, 0),
            (ARRAY[
                NULL, '{}', '{"language": "de"}', '{"language": null}', '{"a": {"b": 1}}', 'null'
            ])[n % 6 + 1]::jsonb,
            (ARRAY[NULL, 'old'])[n % 2 + 1]
        FROM generate_series(1, 600) AS n;
        INSERT INTO "Sales Data"."Doc Pages" ("Document Id", "Page Number", "Text")
        SELECT n % 600 + 1, n % 3, 'page' FROM generate_series(1, 2400) AS n;
    """,
    "create_webhooks": """
        INSERT INTO "Sales Data"."Webhooks" ("User Id", "Name", "Url", "Events")
        SELECT n % 30 + 1, 'hook ' || n, 'https://example.com/' || n % 2, '{}'
        FROM generate_series(1, 200) AS n;
    """,
    "create_audit_logs": """
        INSERT INTO "Sales Data"."Audit Logs" ("User Id", "Action")
        SELECT n % 300 + 1, 'document.read' FROM generate_series(1, 600) AS n;
    """,
    "create_review_requests": """
        INSERT INTO "Sales Data"."Review Requests" ("Title", "Keywords", "Remarks", "Urgency")
        SELECT 'request ' || n, ARRAY['tax', 'year ' || n % 7, NULL],
            (ARRAY['[{"page": 1, "text": "a"}, {"text": "b"}]', '["plain"]', '{}'])[n % 3 + 1]::jsonb,
            (ARRAY['low-x', ' HIGH-X', 'asap', NULL])[n % 4 + 1]
        FROM generate_series(1, 300) AS n;
    """,
}
ROWS = """
    SELECT format(
        'SELECT %1$L, md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM %1$s AS t', oid::regclass
    )
    FROM pg_class WHERE relkind = 'r' AND relnamespace = '"Sales Data"'::regnamespace ORDER BY 1
"""


# Alembic in a process that has never imported this project.
ALEMBIC = """
import io, json, sys
from alembic import command
from alembic.config import Config

for line in sys.stdin:
    url, name, revision, as_sql = json.loads(line)
    output = io.StringIO()
    config = Config("alembic.ini", output_buffer=output)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    getattr(command, name)(config, revision, sql=as_sql)
    print(json.dumps(output.getvalue()), flush=True)
"""


@dataclass(frozen=True)
class Foreign:
    """A plain project of Alembic, and a database of its own."""

    folder: Path
    url: URL
    process: subprocess.Popen[str]

    def alembic(self, name: str, revision: str, *, sql: bool = False) -> str:
        """Run a command of Alembic, and return the SQL that it has written."""
        assert self.process.stdin
        assert self.process.stdout
        url = self.url.render_as_string(hide_password=False)
        self.process.stdin.write(json.dumps([url, name, revision, sql]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"alembic {name} {revision} failed"
        return str(json.loads(answer))

    def sql(self, statements: str, url: URL | None = None) -> str:
        """Run SQL in psql, and return what it prints."""
        return client.output(
            "psql", url or self.url, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
            "--set=ON_ERROR_STOP=1", "--file=-", stdin=statements,
        )  # fmt: skip

    def rows(self) -> str:
        """Return what the tables hold."""
        return self.sql(";".join(self.sql(ROWS).splitlines()))


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Iterator[Foreign]:
    """A project as `alembic init` makes it, with one transaction a revision, and an empty database."""
    url, folder = server.create().url, tmp_path / "plain"
    plain_project(folder, url)
    process = subprocess.Popen(
        [sys.executable, "-c", ALEMBIC], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        yield Foreign(folder, url, process)
        assert process.stdin
        process.stdin.close()


# What a foreign table may have on a column: how it is made, and unmade.
EXTRAS = {
    "index": ("CREATE INDEX extra ON {table} ({column})", 'DROP INDEX "Sales Data".extra'),
    "default": (
        "ALTER TABLE {table} ALTER {column} SET DEFAULT '1'",
        "ALTER TABLE {table} ALTER {column} DROP DEFAULT",
    ),
}


def assert_refused_with_an_extra(project: Foreign, options: CopyOptions, steps: list[Revision]) -> int:
    """Check that a scenario is refused where a column has what it may not have, and count the ways."""
    sentences = re.findall(
        r"no (index|default) on (\w+)\.(\w+)", " ".join(step.fields["Needs"] for step in steps)
    )
    for what, table, column in sentences:
        names = {
            "table": f'"Sales Data"."{table.replace("_", " ").title()}"',
            "column": f'"{column.replace("_", " ").title()}"',
        }
        make, unmake = EXTRAS[what]
        project.sql(make.format(**names))
        with pytest.raises(CommandError, match=f"no {what} on "):
            copy(options, chain=WORKED, say=lambda _line: None)
        project.sql(unmake.format(**names))
    return len(sentences)


@pytest.mark.slow
def test_every_scenario_runs_on_tables_of_other_names_with_other_keys_in_another_schema(
    project: Foreign, server: Server
) -> None:
    project.sql(f'CREATE SCHEMA "{SCHEMA}"')
    before, refused, ways = "base", {}, 0
    for steps in scenarios():
        slug = steps[-1].slug
        options = CopyOptions(slug, given(steps), to=project.folder)
        ways += assert_refused_with_an_extra(project, options, steps)
        try:
            paths = copy(options, chain=WORKED, say=lambda _line: None)
        except CommandError as error:
            refused[slug] = str(error)
            continue
        was, rows = schema(project.url), project.rows()
        twin = server.create(project.url.database).url
        project.alembic("upgrade", "head")
        done = schema(project.url)
        after = str(ScriptDirectory(str(project.folder / "alembic")).get_current_head())
        assert len(paths) == len(steps)
        if all(step.reversible for step in steps):
            project.alembic("downgrade", before)
            assert schema(project.url) == was, slug
            if all(step.lossless for step in steps):
                assert project.rows() == rows, slug
            project.alembic("upgrade", "head")
            assert schema(project.url) == done, slug
        project.sql(project.alembic("upgrade", f"{before}:{after}", sql=True), twin)
        assert schema(twin) == done, slug
        project.sql(AWKWARD.get(slug, ""))
        before = after
    assert ways > 10
    assert sorted(refused) == [
        "contract_category_id", "create_shift_minutes_function", "default_document_id_uuidv7",
        "drop_archive_schema", "drop_old_shift_minutes", "drop_user_password",
        "index_webhook_deliveries", "make_webhook_deliveries_partitions", "merge_dev_and_prod",
        "partition_audit_logs", "replace_auth_provider_key", "update_pg_trgm",
    ]  # fmt: skip
    assert "Categories.id is integer" in refused["contract_category_id"]
    for slug in ("default_document_id_uuidv7", "drop_user_password", "partition_audit_logs"):
        assert "key uuid" in refused[slug]
    for slug in ("drop_archive_schema", "index_webhook_deliveries", "make_webhook_deliveries_partitions"):
        assert "neither quotes nor a schema" in refused[slug]
    for slug in ("drop_old_shift_minutes", "merge_dev_and_prod", "update_pg_trgm"):
        assert "names no table" in refused[slug]
    assert "there is no" in refused["replace_auth_provider_key"]  # for that of passwords was refused


# Of scenarios that the walk above refuses: the tables, what to ask them for, and the names.
KEYS: dict[str, tuple[str, str, dict[str, list[str]]]] = {
    "contract_category_id": (
        """
        CREATE TABLE "Kinds" (
            id integer GENERATED BY DEFAULT AS IDENTITY CONSTRAINT "pk_Kinds" PRIMARY KEY,
            "Above" integer CONSTRAINT "fk_Kinds_Above" REFERENCES "Kinds",
            "Label" text,
            CONSTRAINT "uq_Kinds_Above_Label" UNIQUE NULLS NOT DISTINCT ("Above", "Label")
        );
        CREATE TABLE "Orders" (
            id bigint PRIMARY KEY,
            "Kind Id" integer CONSTRAINT "fk_Orders_Kind Id" REFERENCES "Kinds" ON DELETE SET NULL
        );
        CREATE INDEX "idx_Orders_Kind Id" ON "Orders" ("Kind Id");
        INSERT INTO "Kinds" ("Above", "Label") SELECT nullif(n - 1, 0), n FROM generate_series(1, 50) AS n;
        INSERT INTO "Orders" SELECT n, nullif(n % 51, 0) FROM generate_series(1, 3000) AS n
        """,
        """
        SELECT id, "Above", "Label" FROM "Sales Data"."Kinds" ORDER BY id;
        SELECT id, "Kind Id" FROM "Sales Data"."Orders" ORDER BY id
        """,
        {
            "table": ["categories=Sales Data.Kinds", "documents=Sales Data.Orders"],
            "key": ["integer=integer", "uuid=bigint"],
            "column": ["new_id=Next Id", "parent_id=Above", "name=Label", "category_id=Kind Id"],
            "name": ["swapped=swapped"],
        },
    ),
    "default_document_id_uuidv7": (
        """
        CREATE TABLE "Papers" (id uuid DEFAULT gen_random_uuid() PRIMARY KEY);
        INSERT INTO "Papers" DEFAULT VALUES
        """,
        'SELECT id FROM "Sales Data"."Papers"',
        {
            "table": ["documents=Sales Data.Papers"],
            "key": ["uuid=uuid"],
            "name": ["uuid_by_time=uuid by time"],
        },
    ),
    "replace_auth_provider_key": (
        """
        CREATE TABLE "Logins" (
            id bigint CONSTRAINT "pk_Logins" PRIMARY KEY,
            "Person" bigint NOT NULL,
            "Way In" text NOT NULL,
            CONSTRAINT "uq_Logins_Person_Way In" UNIQUE ("Person", "Way In")
        );
        INSERT INTO "Logins" SELECT n, n / 2, n % 2 FROM generate_series(1, 3000) AS n
        """,
        'SELECT * FROM "Sales Data"."Logins" ORDER BY id',
        {
            "table": ["auth_providers=Sales Data.Logins"],
            "key": ["uuid=bigint"],
            "column": ["user_id=Person", "provider=Way In"],
        },
    ),
}


@pytest.mark.parametrize("slug", KEYS)
def test_a_key_is_changed_in_another_schema_and_back(slug: str, project: Foreign, server: Server) -> None:
    tables, query, given = KEYS[slug]
    project.sql(f'CREATE SCHEMA "{SCHEMA}"; SET search_path = "{SCHEMA}"; {tables}')
    was, rows = schema(project.url), project.sql(query)
    options = CopyOptions(slug, given, to=project.folder)
    paths = copy(options, chain=WORKED, say=lambda _line: None)
    assert len(paths) == len(steps_of(WORKED, slug))
    twin = server.create(project.url.database).url
    project.alembic("upgrade", "head")
    done = schema(project.url)
    assert done != was
    assert project.sql(query) == rows
    project.alembic("downgrade", "base")
    assert (schema(project.url), project.sql(query)) == (was, rows)
    project.sql(project.alembic("upgrade", "head", sql=True), twin)
    assert schema(twin) == done


def test_every_revision_says_what_it_needs_and_adapt_can_be_read_and_written() -> None:
    for revision in WORKED:
        assert "Needs" in revision.fields
        line = revision.fields["Adapt"]
        assert adapt.written(adapt.parse(line)) == line


@pytest.mark.parametrize(
    "line", ["colour red", "column size", "table", "key uuid, table documents", "table a,b"]
)
def test_a_line_that_says_something_else_is_refused(line: str) -> None:
    with pytest.raises(CommandError, match="Adapt: "):
        adapt.parse(line)


def refusal(slug: str = "expand_document_file_size", **options: Any) -> str:
    """Return what the command says to what it cannot do."""
    given: dict[str, list[str]] = {kind: options.pop(kind) for kind in adapt.KINDS if kind in options}
    with pytest.raises(CommandError) as refused:
        copy(CopyOptions(slug, given, **options), chain=WORKED, say=lambda _line: None)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"slug": "no_such"}, "there is no scenario no_such"),
        ({"slug": "merge_dev_and_prod"}, "names no table"),
        ({"table": ["orders"]}, "--key uuid=… --column file_size=…"),
        ({"table": ["orders", "lines"]}, "--table lines: the scenario has only the table documents"),
        ({"table": ["pages=orders"]}, "--table pages=orders: the scenario has only the table documents"),
        ({"label": ["red"]}, "--label red: the scenario has no label"),
        ({"table": ["orders"], "key": ["serial"], "column": ["size"]}, "--key serial: a key is one of"),
        ({"table": ['or"ders'], "key": ["bigint"], "column": ["size"]}, "a name that can be copied to"),
        ({"table": ["orders"], "key": ["bigint"], "column": ["si'ze"]}, "a name that can be copied to"),
        ({"table": ["a.b.c"], "key": ["bigint"], "column": ["size"]}, "a name that can be copied to"),
        ({"to": Path("no/such"), "table": ["orders"], "same": True}, "there is no such folder"),
        ({"to": Path(__file__).parent, "table": ["orders"], "same": True}, "there is no alembic.ini"),
        (
            {"slug": "clean_document_categories", "table": ["a.orders", "b.kinds"], "same": True},
            "have to be in one schema",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_copied_so_gets_one_clear_line(options: dict[str, Any], says: str) -> None:
    assert says in refusal(**options)


def test_a_revision_that_does_not_say_what_to_adapt_gets_one_clear_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert migrate(["copy", REVISIONS[0].slug]) == 1
    assert capsys.readouterr().err.endswith("cannot be copied: its docstring has no line Adapt:\n")


def test_a_person_is_asked_for_what_is_missing(project: Foreign) -> None:
    project.sql("CREATE TABLE orders (id bigint PRIMARY KEY, amount integer NOT NULL)")
    typed, asked = iter(["amount"]), []

    def ask(question: str) -> str:
        asked.append(question)
        return next(typed)

    options = CopyOptions(
        "expand_document_file_size", {"table": ["orders"], "key": ["bigint"]}, to=project.folder
    )
    paths = copy(options, chain=WORKED, ask=ask, say=lambda _line: None)
    assert asked == ["column file_size [file_size]: "]
    assert [path.stem.partition("_")[2] for path in paths] == [
        "expand_order_amount", "backfill_order_amount", "validate_order_new_amount", "contract_order_amount",
    ]  # fmt: skip
    assert "already" in refusal(to=project.folder, table=["orders"], key=["bigint"], column=["amount"])


# Each makes one sentence of `Needs:`, or of `Adapt:`, untrue of the table orders.
UNTRUE = {
    "an index": ("CREATE INDEX ON orders (amount)", "no index on orders.amount"),
    "an index of an expression": ("CREATE INDEX ON orders ((amount + 1))", "no index on orders.amount"),
    "a default": ("ALTER TABLE orders ALTER amount SET DEFAULT 0", "no default on orders.amount"),
    "NULL": ("ALTER TABLE orders ALTER amount DROP NOT NULL", "orders.amount is NOT NULL"),
    "another type": ("ALTER TABLE orders ALTER amount TYPE numeric", "orders.amount is integer"),
    "another key": ("ALTER TABLE orders ALTER id TYPE text", "orders.id is not bigint"),
    "no column": ("ALTER TABLE orders DROP amount", "there is no orders.amount"),
    "no table": ("DROP TABLE orders", "there is no orders"),
    "partitions": (
        """
        DROP TABLE orders;
        CREATE TABLE orders (id bigint PRIMARY KEY, amount integer NOT NULL) PARTITION BY HASH (id);
        """,
        "orders is not partitioned",
    ),
    "a trigger that stamps rows": (
        """
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.changed = now(); RETURN NEW; END $$;
        CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
        """,
        "no trigger on orders sets updated_at",
    ),
}


@pytest.mark.parametrize("what", UNTRUE)
def test_a_scenario_whose_needs_are_not_met_is_refused(what: str, project: Foreign) -> None:
    project.sql("CREATE TABLE orders (id bigint PRIMARY KEY, amount integer NOT NULL, changed timestamptz)")
    statement, sentence = UNTRUE[what]
    project.sql(statement)
    says = refusal(to=project.folder, table=["orders"], key=["bigint"], column=["amount"])
    assert re.search(rf"(: |; ){re.escape(sentence)}(;| \()", says), says
    assert not list((project.folder / "alembic/versions").glob("*.py"))


def test_a_check_that_would_be_validated_again_is_refused(project: Foreign) -> None:
    project.sql("CREATE TABLE orders (id bigint PRIMARY KEY, code varchar(50) CHECK (code <> ''))")
    says = refusal("widen_user_username", to=project.folder, table=["orders"], column=["code"])
    assert "no valid CHECK on orders.code" in says


def test_what_is_new_may_not_be_there(project: Foreign) -> None:
    project.sql("CREATE TABLE orders (id bigint PRIMARY KEY, phone text)")
    says = refusal("add_user_phone", to=project.folder, table=["orders"], column=["phone"])
    assert "orders.phone exists already" in says


def test_a_copy_says_what_it_is_by_its_own_names(project: Foreign) -> None:
    project.sql('CREATE SCHEMA "Sales"; CREATE TABLE "Sales"."Orders" (id bigint PRIMARY KEY)')
    given = {"table": ["Sales.Orders"], "column": ["Phone No"]}
    [path] = copy(
        CopyOptions("add_user_phone", given, to=project.folder), chain=WORKED, say=lambda _line: None
    )
    said = answers(ast.get_docstring(ast.parse(path.read_text())) or "")
    assert claimed_locks(said["Locks"]) == {'"Sales"."Orders"': "AccessExclusiveLock"}
    assert said["Rollback"] == 'loses "Sales"."Orders"."Phone No"'
    assert said["Adapt"] == 'table Orders, new column "Phone No"'


def test_a_project_with_one_transaction_for_all_revisions_is_refused_where_it_matters(
    project: Foreign,
) -> None:
    env = project.folder / "alembic/env.py"
    env.write_text(env.read_text().replace(", transaction_per_migration=True", ""))
    project.sql("CREATE TYPE order_status_enum AS ENUM ('pending', 'processing', 'completed', 'failed')")
    project.sql("CREATE TABLE orders (id bigint PRIMARY KEY, status order_status_enum)")
    says = refusal("add_document_status_archived", to=project.folder, table=["orders"], same=True)
    assert "needs does not hold here: transaction_per_migration (" in says


def test_a_repair_that_writes_null_brings_the_step_that_allows_it() -> None:
    steps = [step.slug for step in steps_of(WORKED, "clear_unknown_file_sizes")]
    assert steps[0] == "allow_unknown_file_size"


def test_one_step_may_be_copied_alone() -> None:
    assert [step.slug for step in steps_of(WORKED, "index_document_tags", only=True)] == [
        "index_document_tags"
    ]


def test_a_column_may_be_called_like_a_variable_or_a_word_of_sql(project: Foreign) -> None:
    project.sql('CREATE TABLE "order" (order_no bigint PRIMARY KEY, total integer NOT NULL)')
    project.sql('INSERT INTO "order" SELECT n, n FROM generate_series(1, 20000) AS n')
    options = CopyOptions(
        "expand_document_file_size",
        {"table": ["order"], "key": ["bigint"], "column": ["total"]},
        id="order_no",
        to=project.folder,
    )
    copy(options, chain=WORKED, say=lambda _line: None)
    project.alembic("upgrade", "head")
    assert project.sql('SELECT pg_typeof(total), sum(total) FROM "order" GROUP BY 1') == "bigint|200010000\n"


def test_a_statement_prepared_before_the_swap_fails_after_it(project: Foreign) -> None:
    project.sql("CREATE TABLE orders (id bigint PRIMARY KEY, amount integer NOT NULL)")
    given = {"table": ["orders"], "key": ["bigint"], "column": ["amount"]}
    said: list[str] = []
    copy(CopyOptions("expand_document_file_size", given, to=project.folder), chain=WORKED, say=said.append)
    assert "check this yourself: connections that prepare no statements" in said
    query, url = "SELECT amount FROM orders", client.libpq_url(project.url)
    with (
        psycopg.connect(url, prepare_threshold=None) as prepares_none,
        psycopg.connect(url) as in_transactions,
        psycopg.connect(url, autocommit=True) as outside,
    ):
        for connection in (prepares_none, in_transactions, outside):
            for _ in range(6):
                connection.execute(query)
            connection.commit()
        project.alembic("upgrade", "head")
        prepares_none.execute(query)
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="cached plan"):
            in_transactions.execute(query)
        in_transactions.rollback()  # with which psycopg forgets what it has prepared
        in_transactions.execute(query)
        for _ in range(3):  # and so on, for as long as the connection lives
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="cached plan"):
                outside.execute(query)


def test_a_name_that_is_too_long_is_cut_as_sqlalchemy_cuts_it() -> None:
    example = Renaming(tables={"documents": "d" * 50}, others={"file_size": "s" * 30})
    name = example.new("ck_documents_file_size_positive")
    long = f"ck_{'d' * 50}_{'s' * 30}_positive"
    assert name == f"{long[:55]}_{hashlib.md5(long.encode(), usedforsecurity=False).hexdigest()[-4:]}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT id FROM documents WHERE text = ''", 'SELECT id FROM s."D" WHERE "T" = \'\''),
        ("DECLARE command text; x uuid;", "DECLARE command text; x bigint;"),
        ("ALTER TABLE documents RENAME TO documents_old", 'ALTER TABLE s."D" RENAME TO "D_old"'),
        ("ALTER INDEX idx_documents_text RENAME TO x", 'ALTER INDEX s."idx_D_T" RENAME TO x'),
        ("SELECT '{x}'::regclass, conname = '{x}'", "SELECT 's.\"{x}\"'::regclass, conname = '{x}'"),
        ("conname = 'ck_documents_text'", "conname = 'ck_D_T'"),
        ("DROP TRIGGER IF EXISTS documents_text ON documents", 'DROP TRIGGER IF EXISTS "D_T" ON s."D"'),
        ("RAISE NOTICE '% documents have text'", "RAISE NOTICE '% D have text'"),
        ("-- of documents.text", "-- of D.T"),
        ("-- a document of an owner, and `text`", "-- a D of an owner, and `T`"),
        ("ADD CONSTRAINT {x} CHECK ({y})", 'ADD CONSTRAINT "{x}" CHECK ({y})'),
        ("DROP STATISTICS stat_documents_text", 'DROP STATISTICS s."stat_D_T"'),
        ("EXECUTE 'DROP TABLE documents'", "EXECUTE 'DROP TABLE s.\"D\"'"),
        ("SELECT clock_timestamp(), timestamp", 'SELECT clock_timestamp(), "At"'),
    ],
)
def test_names_in_sql_are_quoted_and_qualified_where_they_have_to_be(before: str, after: str) -> None:
    others = {"text": "T", "timestamp": "At"}
    example = Renaming(tables={"documents": "D"}, others=others, keys={"uuid": "bigint"}, schema="s")
    assert sql.renamed(before, example) == after
