"""Every schema: what autogenerate, roles, deploy and backup do where tables are not all in one.

Each test has models of its own.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN, JSON, JSONB
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import registry
from sqlalchemy.types import UserDefinedType

from database import NAMING_CONVENTION, ROOT, Base
from migrate.autogenerate import PLUGINS, Scope
from migrate.operate.backup import Backup
from postgres import client
from tests.machinery.production import Site, site
from tests.machinery.support import Chain, Database, Server, program, run


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> MetaData:
    """Models of the test's own, in the place of the workshop's; none yet."""
    own = MetaData(naming_convention=NAMING_CONVENTION)
    monkeypatch.setattr(Base, "metadata", own)
    monkeypatch.setattr(Base, "registry", registry(metadata=own))
    return own


def table(models: MetaData, name: str, schema: str | None, *items: Any, **options: Any) -> Table:
    """Add a table with an id to the models, or say anew what it is."""
    known = models.tables.get(f"{schema}.{name}" if schema else name)
    if known is not None:
        models.remove(known)
    key = Column("id", Integer, Identity(), primary_key=True)
    return Table(name, models, key, *items, schema=schema, **options)


def up(source: str) -> str:
    """Return what a revision does to go up, each remark on one line."""
    return re.sub(r"\s*\n\s*# (?=[\w.])(?!REVIEW)", " ", source.split("def downgrade")[0])


class Backend:
    """A database, and a history whose first revision, r0, does nothing."""

    def __init__(self, database: Database, ini: Path, server: Server) -> None:
        self.database, self.server = database, server
        self.versions = ini.parent / "versions"
        self.config = Config(ini)
        self.config.attributes["connection"] = database.engine
        command.upgrade(self.config, "head")

    def revise(self) -> list[str]:
        """Run `alembic revision --autogenerate`, and return what stands in the files."""
        before = set(self.versions.glob("*.py"))
        command.revision(self.config, message=f"after_{len(before)}", autogenerate=True)
        return [file.read_text() for file in sorted(set(self.versions.glob("*.py")) - before)]

    def there_and_back(self, *, stays: str = "") -> list[str]:
        """Write what there is to write, and try it: up, offline, down, and up again.

        Args:
            stays: what a downgrade does not take back, as a pattern of the schema's text.

        Returns:
            The revisions.
        """
        [start] = self.database.heads()
        before = self.database.schema()
        offline = self.server.create(self.database.url.database)
        written = self.revise()
        command.upgrade(self.config, "head")
        command.check(self.config)
        after = self.database.schema()
        output = io.StringIO()
        self.config.output_buffer = output
        command.upgrade(self.config, f"{start}:head", sql=True)
        offline.psql(output.getvalue())
        assert offline.schema() == after
        command.downgrade(self.config, start)
        assert re.sub(stays, "", self.database.schema()) == before
        command.upgrade(self.config, "head")
        assert self.database.schema() == after
        return written


@pytest.fixture
def backend(empty: Database, chain: Chain, server: Server, models: MetaData) -> Backend:  # noqa: ARG001
    """A backend without a table."""
    return Backend(empty, chain("SELECT 1"), server)


def differences(database: Database, models: MetaData, exclude_tables: str = "") -> list[Any]:
    options = {
        **Scope(exclude_tables).options(),
        "compare_server_default": True,
        "autogenerate_plugins": PLUGINS,
    }
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), models))


# What is missing is created


def test_a_revision_begins_with_the_schemas_that_are_missing_and_its_downgrade_ends_with_them(
    backend: Backend, models: MetaData
) -> None:
    state = Enum("new", "paid", name="State", schema="Only Types")
    number = Sequence("number", start=100, schema="select")
    amount = DOMAIN("amount", Numeric(8, 2), check="VALUE >= 0", schema="select")
    guardian: Column[Any] = Column("Guardian", ForeignKey("Booking.Traveller.id"), index=True)
    table(models, "Traveller", "Booking", guardian, Column("States", ARRAY(state), server_default="{paid}"))
    table(
        models,
        "order",
        "select",
        Column("no", Integer, number, server_default=number.next_value()),
        Column("who", ForeignKey("Booking.Traveller.id"), nullable=False),
        Column("plain", ForeignKey("plain.id")),
        Column("state", state, server_default="new", nullable=False),
        Column("Price", amount, server_default=text("0"), nullable=False),
        CheckConstraint('"Price" < 100', name="cheap"),
        UniqueConstraint("who", "state"),
    )
    table(models, "plain", None)
    [source] = backend.there_and_back()
    upgrade, downgrade = source.split("def downgrade")
    created = re.findall(r'CREATE SCHEMA (.+)[\'"]\)', upgrade)
    assert created == ['"Booking"', '"Only Types"', '"select"']
    assert re.search(r"def upgrade\(\) -> None:\n +#.*\n +op.execute\('CREATE SCHEMA", upgrade)
    assert re.search(r"op.execute\('DROP SCHEMA \"Booking\"'\)\n +# ### end", downgrade)
    assert "CASCADE" not in downgrade


def test_a_change_in_another_schema_takes_the_safe_forms(backend: Backend, models: MetaData) -> None:
    def say(labels: list[str], price: int, action: str, *more: Any) -> None:
        state = Enum(*labels, name="State", schema="Booking")
        table(models, "Traveller", "Booking", Column("E-Mail", Text))
        table(
            models,
            "order",
            "select",
            Column("who", ForeignKey("Booking.Traveller.id", ondelete=action)),
            Column("state", state, server_default=labels[-1], nullable=False),
            Column("price", Integer, nullable=not more),
            CheckConstraint(f"price < {price}", name="cheap"),
            Index("idx order", "price", postgresql_where=text(f"price > {price}")),
            *more,
        )

    say(["new", "paid"], 100, "SET NULL")
    backend.there_and_back()
    backend.database.execute('INSERT INTO "select"."order" (price) VALUES (7)')
    say(["new", "paid", "gone"], 1000, "CASCADE", UniqueConstraint("price"))
    written = backend.there_and_back(stays=r"(?<='paid'),\n    'gone'")
    everything = "".join(up(source) for source in written)
    assert re.search(r"ALTER TYPE .*Booking.*State.* ADD VALUE IF NOT EXISTS 'gone'", everything)
    assert re.search(r"create_foreign_key\((?s:.*?)source_schema=\"select\"(?s:.*?)not_valid", everything)
    assert 'ALTER TABLE "select"."order" VALIDATE CONSTRAINT ck_order_price_not_null' in everything
    assert re.search(r"create_index\((?s:.*?)schema=\"select\"(?s:.*?)concurrently", everything)
    assert 'ALTER TABLE "select"."order" ADD CONSTRAINT uq_order_price UNIQUE USING INDEX' in everything


def test_two_schemas_have_things_of_one_name(backend: Backend, models: MetaData) -> None:
    def say(schema: str | None, *items: Any) -> None:
        table(models, "t", schema, Column("n", Integer), Column("m", Integer), *items)

    for schema in (None, "b", "c"):
        say(schema, Index("idx_t_n", "n"), CheckConstraint("n > 0", name="p"), UniqueConstraint("m"))
    backend.there_and_back()
    say(None, CheckConstraint("n > 0", name="p"), UniqueConstraint("m"))
    say("b", CheckConstraint("n > 1", name="p"), UniqueConstraint("m"))
    say("c", Index("idx_t_n", "m"))
    remarks = "".join(up(source) for source in backend.there_and_back())
    assert len(re.findall("drops the index idx_t_n: queries that use it", remarks)) == 2
    assert len(re.findall("drops the index idx_t_n, and queries go without until", remarks)) == 1
    assert len(re.findall("drops the constraint ck_t_p: from then on", remarks)) == 1
    assert len(re.findall("drops the constraint ck_t_p, to add it", remarks)) == 1
    say("b", CheckConstraint("n > 1", name="p"), UniqueConstraint("m"), Index("idx_t_n", "n"))
    say("c")
    assert len(backend.there_and_back()) == 2


def test_names_with_everything_in_them(backend: Backend, models: MetaData) -> None:
    more: list[Any]
    for limit, more in ((0, []), (1, [UniqueConstraint("n")])):
        check = CheckConstraint(f"n > {limit}", name="p")
        table(models, "100%: a", 'my "sch:ema" %d', Column("n", Integer), check, *more)
        backend.there_and_back()


def test_a_table_that_has_another_schema_may_have_moved(backend: Backend, models: MetaData) -> None:
    table(models, "a", None, Column("n", Integer))
    backend.there_and_back()
    models.clear()
    table(models, "a", "Other", Column("n", Integer))
    [source] = backend.there_and_back()
    remark = r"REVIEW: a move\? If Other.a is what a was, use this line .*\n +#     op.execute\((.*)\)\n"
    [move] = re.findall(remark, up(source))
    assert move == r'"ALTER TABLE a SET SCHEMA \"Other\""'


def test_a_new_default_may_be_what_the_server_cannot_compare(backend: Backend, models: MetaData) -> None:
    def say(labels: list[str], json: str, number: str) -> None:
        state = Enum(*labels, name="state", schema="s")
        table(
            models,
            "t",
            "s",
            Column("state", state, server_default=labels[-1]),
            Column("states", ARRAY(state), server_default=f"{{{labels[-1]}}}"),
            Column("json", JSON, server_default=json),
            Column("no", Integer, server_default=text(number)),
        )

    backend.database.execute("CREATE SEQUENCE numbers")
    say(["a"], '{"a": 1}', "nextval('public.numbers')")
    backend.there_and_back()
    assert not backend.database.value("SELECT is_called FROM numbers")  # by the comparison
    say(["a", "b"], '{"b": 1}', "nextval('numbers'::regclass)")
    source = "".join(up(each) for each in backend.there_and_back(stays=r"(?<='a'),\n    'b'"))
    assert re.findall(r"op.alter_column\(\s+\"t\",\s+\"(\w+)\"", source) == ["state", "states", "json"]


def test_types_of_the_application_are_written_without_it(backend: Backend, models: MetaData) -> None:
    class Bits(UserDefinedType[str]):
        cache_ok = True

        def get_col_spec(self, **_: Any) -> str:
            return "bit(3)"

    class Shouting(TypeDecorator[str]):
        impl = String(20)
        cache_ok = True

    class Document(TypeDecorator[str]):
        impl = JSON
        cache_ok = True

        def load_dialect_impl(self, dialect: Any) -> Any:
            return dialect.type_descriptor(JSONB())

    columns: list[Column[Any]] = [
        Column("a", Bits), Column("b", ARRAY(Bits)), Column("c", Shouting), Column("d", Document)
    ]  # fmt: skip
    table(models, "t", "s", *columns)
    [source] = backend.there_and_back()
    assert 'SQLType("bit(3)")' in source
    assert re.search(r"Column\(\"c\", sa.String\(length=20\)", source)
    assert re.search(r"Column\(\"d\", postgresql.JSONB\(", source)
    assert set(re.findall(r"^(?:import|from) (\w+)", source, re.M)) == {"sqlalchemy", "alembic"}


# How the default schema is called


def test_the_default_schema_may_be_spelled_out(backend: Backend, models: MetaData) -> None:
    def say(action: str | None) -> None:
        state = Enum("a", name="state", schema="public")
        amount = DOMAIN("amount", Numeric(8, 2), schema="public")
        key = ForeignKey("public.a.n", ondelete=action)
        table(models, "a", "public", Column("n", Integer, unique=True), Column("s", state))
        table(models, "b", "public", Column("a", key), Column("m", amount))
        table(models, "c", None, Column("a", ForeignKey("public.a.n")), Column("s", ARRAY(state)))

    say(None)
    backend.there_and_back()
    say("CASCADE")
    added, validated = backend.there_and_back()
    assert re.findall(r'create_foreign_key\(\s+op.f\("(\w+)"\)', up(added)) == ["fk_b_a"]
    assert re.findall(r'VALIDATE CONSTRAINT (\w+)"', validated) == ["fk_b_a"]


def test_the_search_path_may_begin_with_another_schema(
    empty: Database, chain: Chain, server: Server, models: MetaData
) -> None:
    empty.psql("""
        CREATE SCHEMA app;
        CREATE TABLE found (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
        CREATE TABLE unknown (n integer);
        CREATE TYPE mood AS ENUM ('a');
    """)
    in_app = Database(empty.url.update_query_dict({"options": "-csearch_path=app,public"}))
    backend = Backend(in_app, chain("SELECT 1"), server)
    table(models, "found", None, Column("mood", Enum("a", name="mood")))
    table(models, "new", None, Column("found", ForeignKey("found.id")))
    table(models, "also_new", "app", Column("new", ForeignKey("new.id")))
    backend.revise()
    command.upgrade(backend.config, "head")
    command.check(backend.config)
    tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = :schema ORDER BY 1"
    assert in_app.column(tables, schema="app") == ["alembic_version", "also_new", "migrate_history", "new"]
    assert in_app.column(tables, schema="public") == ["found", "unknown"]


def test_without_a_schema_to_use_it_says_so(empty: Database, chain: Chain) -> None:
    ini = chain("SELECT 1")
    command.stamp(Config(ini, attributes={"connection": empty.engine}), "head")
    # As for a role that may not use the schema.
    nowhere = Database(empty.url.update_query_dict({"options": "-csearch_path=nowhere"}))
    code, errors = run(nowhere, "upgrade", "head", ini=ini)
    assert code != 0
    assert "no schema has been selected to create in" in errors
    with pytest.raises(Exception, match="may use no schema of its search_path, nowhere: create one"):
        differences(nowhere, MetaData())
    assert "Traceback" not in errors


# What is none of the models' business


STRANGERS = """
    CREATE TABLE rail.measurement_2024 PARTITION OF rail.measurement
        FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
    CREATE TABLE "Of January" PARTITION OF rail.measurement_2024 FOR VALUES FROM (0) TO (5);
    CREATE INDEX own ON "Of January" (n);
    CREATE TABLE rest PARTITION OF rail.measurement (CHECK (n > 0)) DEFAULT;

    CREATE EXTENSION pg_trgm;
    CREATE TABLE rail.spatial_ref_sys (srid integer PRIMARY KEY, n integer UNIQUE);
    CREATE INDEX ON rail.spatial_ref_sys (n);
    CREATE SEQUENCE counter;
    CREATE TYPE rail.kind AS ENUM ('a');
    ALTER EXTENSION pg_trgm ADD TABLE rail.spatial_ref_sys;
    ALTER EXTENSION pg_trgm ADD SEQUENCE counter;
    ALTER EXTENSION pg_trgm ADD TYPE rail.kind;

    CREATE SCHEMA legacy;
    CREATE TABLE legacy.measurement (id integer PRIMARY KEY, n text);
    CREATE TYPE legacy.unused AS ENUM ('a');
    CREATE TABLE rail.alembic_version (version_num text);
    CREATE TABLE legacy.alembic_version (version_num text);

    CREATE TYPE rail.mood AS ENUM ('a', 'b');
    CREATE DOMAIN good_mood AS rail.mood;
    CREATE TYPE hue AS ENUM ('a');
    CREATE FUNCTION paint(hue[]) RETURNS text LANGUAGE sql AS 'SELECT $1[1]::text';
    CREATE TYPE tone AS ENUM ('a');
    CREATE TYPE composite AS (tone tone);
    CREATE VIEW rail.stations AS SELECT 1 AS one;
    CREATE FOREIGN DATA WRAPPER nothing;
    CREATE SERVER far FOREIGN DATA WRAPPER nothing;
    CREATE FOREIGN TABLE rail.far (n integer) SERVER far;
"""


def test_what_no_model_can_have_made_is_left_alone(backend: Backend, models: MetaData) -> None:
    by: dict[str, Any] = {"postgresql_partition_by": "RANGE (id)"}
    table(models, "measurement", "rail", Column("n", Integer, index=True), **by)
    table(models, "remark", None, Column("about", ForeignKey("rail.measurement.id")))
    backend.there_and_back()
    backend.database.psql(STRANGERS)
    assert differences(backend.database, models) == []
    command.check(backend.config)
    # Nor is it where a model reads it.
    table(models, "spatial_ref_sys", "rail", Column("other", Text))
    table(models, "rest", None)
    table(models, "uses", "rail", Column("kind", Enum("a", name="kind", schema="rail")))
    [(kind, added)] = differences(backend.database, models)
    assert (kind, added.fullname) == ("add_table", "rail.uses")


UNKNOWN = """
    CREATE TABLE zed.a (id integer PRIMARY KEY, n integer) PARTITION BY RANGE (id);
    CREATE TABLE "Part of a" PARTITION OF zed.a FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id);
    CREATE TABLE zed.rest PARTITION OF "Part of a" DEFAULT;
    CREATE TABLE b (id integer REFERENCES zed.a, u integer UNIQUE);
    ALTER TABLE b ADD CONSTRAINT u_too UNIQUE (u, id) DEFERRABLE INITIALLY DEFERRED;
    CREATE TABLE abe.a (
        id integer PRIMARY KEY DEFERRABLE, u integer REFERENCES b (u) MATCH FULL, during tstzrange,
        CONSTRAINT apart EXCLUDE USING gist (during WITH &&) WHERE (u > 1),
        CONSTRAINT "New" CHECK (u > 2) NO INHERIT
    ) WITH (fillfactor = 70);
    ALTER TABLE abe.a ADD CHECK (u < 9) NOT VALID;
    CREATE FUNCTION abe.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER "T" BEFORE UPDATE OF u ON abe.a FOR EACH ROW WHEN (NEW.u > 3) EXECUTE FUNCTION abe.f();
    CREATE TRIGGER t BEFORE INSERT ON zed.a FOR EACH ROW EXECUTE FUNCTION abe.f();
    CREATE POLICY own ON abe.a AS RESTRICTIVE FOR UPDATE USING (u > 1) WITH CHECK (u > 2);
    ALTER TABLE abe.a ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE STATISTICS abe.s ON id, u FROM abe.a;
    CREATE UNLOGGED TABLE scratch (n integer);
"""


def test_a_table_that_no_model_has_is_dropped_for_review_and_comes_back_whole(
    backend: Backend, models: MetaData
) -> None:
    for schema in ("zed", "abe"):
        table(models, "keep", schema)
    backend.there_and_back()
    backend.database.psql(UNKNOWN)
    [source] = backend.there_and_back()
    reviewed = re.findall(r"REVIEW: drops the table (\S+) and what it holds", up(source))
    assert sorted(reviewed) == ["abe.a", "b", "scratch", "zed.a"]
    dropped = [name for name in reviewed if name != "scratch"]
    assert dropped == ["abe.a", "b", "zed.a"]  # what refers to another goes before it


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("", ["abc.a", "abc.temporary", "b", "legacy_a"]),
        ("legacy_*", ["abc.a", "abc.temporary", "b"]),
        ("abc.*", ["b", "legacy_a"]),
        ("abc.a, public.b", ["abc.temporary", "legacy_a"]),
        ("a*", ["abc.temporary", "b", "legacy_a"]),
    ],
)
def test_tables_are_excluded_by_name_or_by_schema_and_name(
    patterns: str, left: list[str], empty: Database, models: MetaData
) -> None:
    table(models, "keep", "abc")
    empty.psql("""
        CREATE SCHEMA abc; CREATE TABLE abc.a (n integer UNIQUE); CREATE TABLE abc.temp_a (n integer);
        CREATE TABLE abc.temporary (n integer); CREATE TABLE b (n integer); CREATE TABLE legacy_a (n integer);
    """)
    found = [each[1].fullname for each in differences(empty, models, patterns) if each[0] == "remove_table"]
    assert sorted(found) == left


# Roles, deploy and backup


class Roles:
    """An owner and an application, as roles.sql makes them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        suffix = uuid4().hex[:12]
        self.owner, self.app = f"owner-{suffix}", f"app-{suffix}"

    def grant(self, append_only: str = "") -> None:
        """Run the script, and give both roles a password."""
        values = {"owner": self.owner, "app": self.app, "append_only": append_only}
        options = [f"--set={name}={value}" for name, value in values.items()]
        script = f"--file={ROOT / 'docs/roles.sql'}"
        client.output("psql", self.database.url, "--no-psqlrc", script, *options)
        for role in (self.owner, self.app):
            self.database.execute(f"ALTER ROLE \"{role}\" PASSWORD 'secret'")

    def as_(self, role: str) -> Database:
        return Database(self.database.url.set(username=role, password="secret"))

    def may(self, role: str, statement: str) -> bool:
        """Whether a role may do this, and does it."""
        try:
            self.as_(role).execute(statement)
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != "42501":
                raise
            return False
        return True


@pytest.fixture
def roles(empty: Database) -> Iterator[Roles]:
    """The roles of an empty database; the script has not run."""
    made = Roles(empty)
    yield made
    for role in (made.owner, made.app):
        if empty.query("SELECT FROM pg_roles WHERE rolname = :role", role=role):
            empty.execute(f'DROP OWNED BY "{role}" CASCADE')
            empty.execute(f'DROP ROLE "{role}"')


def test_the_roles_are_for_every_schema_there_is_and_for_those_to_come(roles: Roles) -> None:
    roles.database.psql("""
        CREATE SCHEMA "Book ing";
        CREATE TABLE "Book ing"."T" (id serial PRIMARY KEY);
        CREATE TYPE "Book ing".pair AS (a integer, b integer);
        CREATE FUNCTION "Book ing".plus(integer, integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 + $2';
        CREATE AGGREGATE "Book ing".total(integer) (SFUNC = "Book ing".plus, STYPE = integer);
        CREATE TABLE "Book ing".log (at integer) PARTITION BY RANGE (at);
        CREATE TABLE log_1 PARTITION OF "Book ing".log FOR VALUES FROM (0) TO (9);
        CREATE EXTENSION pg_trgm;
        CREATE SCHEMA of_extension;
        ALTER EXTENSION pg_trgm ADD SCHEMA of_extension;
    """)
    roles.grant('no_such, "Book ing".log')
    owner, app = roles.owner, roles.app
    assert roles.may(owner, "CREATE SCHEMA later; CREATE TABLE later.alembic_version (n text)")
    assert roles.may(owner, 'CREATE TABLE later.t (id serial); CREATE TABLE "Book ing".more (id serial)')
    for name in ('"Book ing"."T"', '"Book ing".more', "later.t"):
        for statement in ("INSERT INTO {} DEFAULT VALUES", "UPDATE {} SET id = 7", "DELETE FROM {}"):
            assert roles.may(app, statement.format(name))
        assert not roles.may(app, f"DROP TABLE {name}")
    for name in ('"Book ing".log', "log_1"):
        assert roles.may(app, f"INSERT INTO {name} VALUES (1)")
        assert not roles.may(app, f"UPDATE {name} SET at = 2")
        assert not roles.may(app, f"DELETE FROM {name}")
    assert not roles.may(app, "CREATE TABLE later.mine (n integer)")
    assert not roles.may(owner, "CREATE TABLE of_extension.mine (n integer)")
    roles.grant()
    assert not roles.may(app, "INSERT INTO later.alembic_version VALUES ('x')")
    assert roles.may(app, "SELECT FROM later.alembic_version")
    # All that was there has become the owner's, who may take it away.
    assert roles.may(owner, 'DROP AGGREGATE "Book ing".total(integer); DROP FUNCTION "Book ing".plus')
    assert roles.may(owner, 'DROP TYPE "Book ing".pair; DROP TABLE "Book ing"."T", "Book ing".log')
    assert roles.may(owner, 'DROP TABLE "Book ing".more; DROP SCHEMA "Book ing"')


@pytest.fixture
def made(roles: Roles, chain: Chain, models: MetaData) -> Site:
    """A site with models in two schemas, whose tables the revisions make; the roles are there."""
    table(models, "plain", None)
    table(models, "Order", "billing")
    roles.grant()
    key = "(id integer GENERATED BY DEFAULT AS IDENTITY, CONSTRAINT {} PRIMARY KEY (id))"
    ini = chain(
        f"CREATE TABLE plain {key.format('pk_plain')}",
        f"""CREATE SCHEMA billing; CREATE TABLE billing."Order" {key.format('"pk_Order"')}""",
    )
    made = site(roles.database, ini)
    settings = made.ini.read_text().replace("exclude_tables = *", "exclude_tables =")
    made.ini.write_text(settings.replace("smoke_test = true\n", ""))
    return made


def deploy(made: Site, roles: Roles) -> tuple[int, str]:
    """Do what `python -m migrate deploy` does, in this process, which has the test's models."""
    app, owner = (
        roles.as_(role).url.render_as_string(hide_password=False) for role in (roles.app, roles.owner)
    )
    options = ("--config", str(made.ini), "--yes", "--no-backup", str(made.database.url.database))
    log = str(made.folder / "log")
    done = program("migrate", "deploy", *options, url=app, MIGRATION_DATABASE_URL=owner, MIGRATE_LOG=log)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_a_deploy_brings_a_schema_that_the_application_may_use_at_once(made: Site, roles: Roles) -> None:
    code, output = deploy(made, roles)
    assert code == 0, output
    assert "models and database agree" in output
    assert "2 models can be read" in output
    assert "may not use" not in output


@pytest.mark.slow
def test_a_schema_that_the_application_may_not_use_is_named(made: Site, roles: Roles) -> None:
    closed = f'ALTER DEFAULT PRIVILEGES FOR ROLE "{roles.owner}" REVOKE USAGE ON SCHEMAS FROM "{roles.app}"'
    roles.database.execute(closed)
    code, output = deploy(made, roles)
    assert code == 1
    assert f"the role {roles.app} may not use the schema billing: run docs/roles.sql again" in output
    assert f"billing.Order cannot be read as {roles.app}: permission denied for schema billing" in output
    assert "(docs/roles.sql, run again, gives the application what it needs)" in output
    roles.grant()
    code, output = deploy(made, roles)
    assert code == 0, output


@pytest.mark.slow
def test_a_deploy_finds_out_beforehand_what_the_role_may_not_do(made: Site, roles: Roles) -> None:
    def stopped(owner: str) -> str:
        code, output = deploy(made, roles)
        assert code == 1
        [reason] = re.findall(rf"deploy stopped in step 1/10 \(preflight\): the role {owner} (.*)", output)
        return str(reason)

    owner, database = roles.owner, roles.database
    database.execute(f'REVOKE CREATE ON DATABASE "{database.url.database}" FROM "{owner}"')
    assert stopped(owner).startswith("may not create the schema billing: GRANT CREATE ON DATABASE")
    database.execute("CREATE SCHEMA billing")
    assert stopped(owner).startswith("may not create tables in the schema billing")
    database.execute(f'GRANT USAGE, CREATE ON SCHEMA billing TO "{owner}"')
    database.execute('CREATE TABLE billing."Order" (id integer)')
    assert stopped(owner).startswith('does not own billing."Order", and could not change them')


@pytest.mark.slow
def test_a_backup_is_of_the_revision_in_this_schemas_version_table(empty: Database, tmp_path: Path) -> None:
    empty.psql("""
        CREATE SCHEMA "An other"; CREATE TABLE "An other".alembic_version (version_num text);
        INSERT INTO "An other".alembic_version VALUES ('theirs');
        CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('b'), ('a');
    """)
    path = tmp_path / "dump"
    client.output("pg_dump", empty.url, "--format=custom", f"--file={path}")
    backup = Backup(path, client.binary("pg_restore"))
    assert backup.heads("alembic_version", "public.alembic_version") == ("a", "b")
    assert backup.heads("alembic_version", '"An other".alembic_version') == ("theirs",)
