"""Kinds of models that went wrong in practice: what is written for each runs, up, down and in `--sql`.

Each test has two states of models of its own, or a database that holds what they do not say.
"""

import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    Enum,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    cast,
    column,
    func,
    null,
    select,
    text,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.dialects.postgresql import (
    CIDR,
    CITEXT,
    DOMAIN,
    ENUM,
    INET,
    JSON,
    JSONB,
    TSTZRANGE,
    ExcludeConstraint,
)
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.schema import CreateView, DefaultClause
from sqlalchemy.types import UserDefinedType

from database import NAMING_CONVENTION, ROOT, Base
from migrate.autogenerate import load, sound
from migrate.run.connection import connect
from migrate.run.history import entries
from tests.machinery.support import Chain, Database, Server

pytestmark = pytest.mark.slow  # 140 kinds; test_autogenerate.py has what is written every day

Say = Callable[[MetaData], Any]


class Backend:
    """A database, and a history whose first revision does nothing."""

    def __init__(self, database: Database, ini: Path, server: Server, patch: pytest.MonkeyPatch) -> None:
        self.database, self.ini, self.server, self.patch = database, ini, server, patch
        ini.write_text(ini.read_text().replace("hooks = lint, format", "hooks ="))
        self.config = Config(ini, stdout=io.StringIO())
        self.config.attributes["connection"] = database.engine

    def say(self, *models: Say) -> None:
        """Have these be the models."""
        metadata = MetaData(naming_convention=NAMING_CONVENTION)
        for each in models:
            each(metadata)
        self.patch.setattr(Base, "metadata", metadata)
        self.patch.setattr(Base, "registry", registry(metadata=metadata))

    def revise(self, name: str = "change") -> str:
        """Run `alembic revision --autogenerate`, and return what it wrote, each remark on a line."""
        before = set(self.files)
        command.revision(self.config, message=name, autogenerate=True)
        written = "\n".join(file.read_text() for file in self.files if file not in before)
        return re.sub(r"\n +# (?!REVIEW|   )", " ", written)

    @property
    def files(self) -> list[Path]:
        return sorted(self.ini.parent.glob("versions/*_*.py"))

    def there_and_back(self) -> str:
        """Write what there is to write, and try it: up, in `--sql`, down, and up again."""
        database = self.database
        command.upgrade(self.config, "r0")
        [start] = database.heads()
        before = database.schema()
        offline = self.server.create(database.url.database)
        written = self.revise(f"change{len(self.files)}")
        command.upgrade(self.config, "head")
        command.check(self.config)
        after = database.schema()
        self.config.output_buffer = output = io.StringIO()
        command.upgrade(self.config, f"{start}:head", sql=True)
        offline.psql(output.getvalue())
        assert offline.schema() == after
        command.downgrade(self.config, start)
        assert database.schema() == before
        command.upgrade(self.config, "head")
        assert database.schema() == after
        return written


@pytest.fixture
def backend(empty: Database, chain: Chain, server: Server, monkeypatch: pytest.MonkeyPatch) -> Backend:
    load()  # before something takes their place
    made = Backend(empty, chain("SELECT 1"), server, monkeypatch)
    made.say()
    command.upgrade(made.config, "head")
    return made


def table(name: str, *items: Any, **options: Any) -> Say:
    """Say a table with an id."""

    def say(models: MetaData) -> None:
        key = Column("id", Integer, Identity(), primary_key=True)
        # What belongs to a table can belong to no other.
        Table(name, models, key, *(item() if callable(item) else item for item in items), **options)

    return say


# Other programs in the database


def test_the_version_table_of_another_project_is_left_alone(backend: Backend) -> None:
    backend.database.psql(
        "CREATE SCHEMA apiary; CREATE TABLE other_version (version_num varchar(32) PRIMARY KEY);"
        "CREATE TABLE apiary.alembic_version (version_num varchar(32) PRIMARY KEY)"
    )
    backend.say(table("hives", schema="apiary"))
    assert "version" not in re.sub("revision", "", backend.there_and_back()).partition("def upgrade")[2]


# The database's settings


def test_what_is_written_means_the_same_in_a_database_of_other_styles(backend: Backend) -> None:
    database = backend.database
    styles = {
        "DateStyle": "'SQL, DMY'", "IntervalStyle": "sql_standard",
        "bytea_output": "escape", "extra_float_digits": "-3",
    }  # fmt: skip
    database.execute(
        "CREATE TABLE gone (d date DEFAULT '2020-02-03', i interval DEFAULT '1 day -2 hours',"
        r" b bytea DEFAULT '\x01ff', f double precision DEFAULT 0.1234567890123456)"
    )
    before = database.schema()
    for name, style in styles.items():
        database.execute(f'ALTER DATABASE "{database.url.database}" SET {name} = {style}')
    assert "'2020-02-03'" in backend.revise()
    command.upgrade(backend.config, "head")
    with connect(database.engine) as connection:
        assert entries(MigrationContext.configure(connection))
    database.execute(f'ALTER DATABASE "{database.url.database}" RESET ALL')
    command.downgrade(backend.config, "r0")
    assert database.schema() == before


def test_an_empty_search_path_gets_one_line_that_says_what_to_do(backend: Backend) -> None:
    backend.database.execute(f"ALTER DATABASE \"{backend.database.url.database}\" SET search_path = ''")
    with pytest.raises(CommandError, match=r"no schema has been selected .*SET search_path\)$"):
        command.check(backend.config)


# Text in expressions


def shards(*items: Any) -> Say:
    return table(
        "shards", lambda: Column("n", Integer), lambda: Column("t", Text, server_default="100%"), *items
    )


def test_a_percent_sign_stays_one_in_a_check_and_an_index(backend: Backend) -> None:
    backend.say(
        shards(
            lambda: CheckConstraint("n % 2 = 0", name="even"),
            lambda: CheckConstraint("t <> '100%'", name="not_all"),
            lambda: Index("even", text("(n % 2)")),
            lambda: Index("thirds", column("n") % 3),
            lambda: Index("some", "n", postgresql_where=text("t LIKE '100%'")),
        )
    )
    backend.there_and_back()
    backend.say(shards())
    backend.there_and_back()
    backend.say(
        shards(
            lambda: CheckConstraint("t <> '100%'", name="not_all"),
            lambda: Index("half", "id", postgresql_where=text("t = '50%'")),
        )
    )
    assert "%%" not in backend.there_and_back()


def test_a_colon_is_no_bound_value_in_what_comes_back(backend: Backend) -> None:
    backend.database.psql(r"""
        CREATE TABLE prefs (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_prefs PRIMARY KEY,
            greeting text NOT NULL, template text NOT NULL DEFAULT 'Hello :name',
            flags json NOT NULL DEFAULT '{"dark":true}', path text DEFAULT 'C:\:x',
            CONSTRAINT ck_prefs_filled CHECK (greeting <> '100%'),
            CONSTRAINT ck_prefs_mod CHECK (id % 2 >= 0));
    """)
    backend.say(table("prefs", lambda: Column("greeting", Text, nullable=False)))
    assert "Hello NULL" not in backend.there_and_back()


def test_quotes_that_are_part_of_a_default_stay(backend: Backend) -> None:
    backend.say(table("t", lambda: Column("quoted", Text, server_default="'it''s'")))
    backend.there_and_back()
    backend.database.execute("INSERT INTO t DEFAULT VALUES")
    assert backend.database.value("SELECT quoted FROM t") == "'it''s'"


def test_a_tab_stays_one_in_sql_too(backend: Backend) -> None:
    code = lambda: Column("code", Text, server_default="a\tb", comment="\tx")  # noqa: E731
    backend.say(table("t", code, lambda: CheckConstraint("code <> '\t'", name="c")))
    backend.there_and_back()


def test_a_name_may_hold_quotes_colons_and_percent_signs(backend: Backend) -> None:
    name = """a%b :c 'd' "e" {f} \\g"""
    backend.say(table(name, lambda: Column(name, Text)))
    backend.there_and_back()
    backend.say(table(name, lambda: Column(name, Text, nullable=False, comment="x"), comment="y"))
    backend.there_and_back()
    backend.say(table(name, lambda: Column(name, Text, nullable=False)))
    backend.there_and_back()


@pytest.mark.parametrize("name", ["text", "regclass"])
def test_a_table_may_have_the_name_of_a_type(name: str, backend: Backend) -> None:
    items = [lambda: Column("t", Text), lambda: Column("i", Interval, server_default="1 day")]
    backend.say(table(name, *items))
    backend.there_and_back()
    backend.say(table(name, *items, lambda: Column(name, Text), lambda: Index("t_first", text("left(t, 1)"))))
    backend.there_and_back()


def test_a_table_may_have_the_name_of_an_enum_in_another_schema(backend: Backend) -> None:
    mood: Callable[[], Any] = lambda: Column("m", Enum("sad", name="mood"), server_default="sad")  # noqa: E731
    backend.say(table("mood", mood, lambda: CheckConstraint("m <> 'sad'", name="m"), schema="app"))
    assert "CREATE TYPE mood" in backend.there_and_back()


@pytest.mark.parametrize("message", [r"drop C:\users", 'say "hello"', 'end with """', "a\nb", "{{x}}%s"])
def test_a_message_may_hold_anything(message: str, backend: Backend) -> None:
    backend.say(table("t"))
    backend.revise(message)
    command.upgrade(backend.config, "head")
    command.check(backend.config)


def test_a_name_that_was_given_this_minute_writes_over_no_revision(backend: Backend) -> None:
    backend.say(table("t"))
    backend.revise("same")
    command.upgrade(backend.config, "head")
    [file] = backend.files
    before = file.read_text()
    backend.patch.setattr(
        ScriptDirectory,
        "_generate_create_date",
        lambda _: datetime.strptime(file.name[:13], "%Y%m%d_%H%M").replace(tzinfo=UTC),
    )
    backend.say(table("t"), table("u"))
    with pytest.raises(CommandError, match=rf"^the file {file.name} is there already: "):
        backend.revise("same")
    assert file.read_text() == before


# What is beneath tables


def test_a_domain_comes_before_its_table_with_the_extension_that_it_needs(backend: Backend) -> None:
    email = DOMAIN("email_address", CITEXT(), check="VALUE ~ '^[^@]+@[^@]+$'")
    backend.say(table("contacts", lambda: Column("email", email, nullable=False)))
    written = backend.there_and_back()
    assert "REVIEW: creates the extension citext" in written


def test_a_changed_domain_is_refused_in_a_line(backend: Backend) -> None:
    def say(check: str, type_: Any = Text, **more: Any) -> Say:
        return table("t", lambda: Column("state", DOMAIN("state", type_(), check=check, **more)))

    backend.say(say("VALUE IN ('a', 'b:c')", String))
    backend.there_and_back()
    backend.database.psql("""
        ALTER DOMAIN state DROP CONSTRAINT state_check;
        ALTER DOMAIN state ADD CHECK (VALUE::text = ANY (ARRAY['a'::varchar::text, 'b:c'::varchar::text]))
    """)
    command.check(backend.config)
    for changed in (say("VALUE IN ('a')", String), say("VALUE IN ('a', 'b:c')", not_null=True)):
        backend.say(changed)
        for ask in (backend.revise, lambda: command.check(backend.config)):
            with pytest.raises(CommandError, match=r"domain state: the database has it as character varying"):
                ask()


def test_two_keys_on_the_same_columns_both_come_and_come_back(backend: Backend) -> None:
    backend.say(
        lambda models: Table(
            "twice", models,
            Column("Id", Integer, primary_key=True, unique=True, key="id"),
            Column("code", Text, CheckConstraint("code <> ''", name="filled"), unique=True),
            UniqueConstraint("code", name="uq_code_again", deferrable=True),
            UniqueConstraint("code", name="uq_code_more", postgresql_include=["id"]),
            UniqueConstraint("code", name="uq_code"),
        ),
        table("t", lambda: Column("twice_id", ForeignKey("twice.id"))),
    )  # fmt: skip
    backend.there_and_back()
    backend.say()
    backend.there_and_back()


def test_a_table_comes_after_its_parent_and_goes_before_it(backend: Backend) -> None:
    def inheriting(name: str, parent: Any) -> Say:
        return table(name, lambda: Column("n", Integer), postgresql_inherits=parent)

    for child, parent in (("a", "b"), ("d", "c")):
        backend.say(inheriting(child, (parent,)), table(parent, lambda: Column("n", Integer)))
        backend.there_and_back()
        backend.say()
        backend.there_and_back()


def test_what_a_table_has_from_its_parent_is_not_dropped(backend: Backend) -> None:
    def child(models: MetaData) -> None:
        Table("c", models, Column("m", Integer), postgresql_inherits="p")

    more = [lambda: Column("more", Text), lambda: CheckConstraint("n > 0", name="positive")]
    for items in (more, [], more):
        backend.say(table("p", lambda: Column("n", Integer), *items), child)
        backend.there_and_back()
    backend.say()
    backend.there_and_back()


def test_a_column_of_a_parent_and_its_child_comes_changes_and_goes_with_both(backend: Backend) -> None:
    def say(*items: Any) -> list[Say]:
        return [table("p", *items), table("c", *items, postgresql_inherits="p"), table("a", *items)]

    states: list[dict[str, Any]] = [{}, {"n": Integer}, {"n": BigInteger}, {"m": Text}, {}]
    for columns in states:
        backend.say(*say(*(lambda each=each: Column(*each) for each in columns.items())))
        backend.there_and_back()


def test_an_extension_outside_the_search_path_is_named_with_its_schema(backend: Backend) -> None:
    backend.database.psql(
        'CREATE SCHEMA "Ext"; CREATE EXTENSION citext SCHEMA "Ext"; CREATE SCHEMA more;'
        "CREATE EXTENSION pg_trgm SCHEMA more"
    )
    words = lambda: Index("words", "c", postgresql_using="gin", postgresql_ops={"c": "gin_trgm_ops"})  # noqa: E731
    backend.say(table("t", lambda: Column("c", CITEXT)), table("u", lambda: Column("c", Text), words))
    written = " ".join(backend.revise().split())
    assert "The extension citext is in the schema Ext, which is not in the search_path: add it" in written
    assert "The extension pg_trgm is in the schema more, which is not in the search_path: add it" in written


@pytest.mark.parametrize("kind", ["table", "column", "default"])
def test_a_default_that_does_not_fit_its_type_is_refused_in_a_line(kind: str, backend: Backend) -> None:
    if kind != "table":
        backend.say(table("t", *[lambda: Column("code", String(5))] * (kind == "default")))
        backend.there_and_back()
    fits = lambda: Column("fits", Integer, server_default=text("current_setting('x.y')::int"))  # noqa: E731
    for type_, default in ((String(5), "abcdefg"), (Numeric(3, 1), text("1000"))):
        code = lambda: Column("code", type_, server_default=default)  # noqa: B023, E731
        backend.say(table("t", code, *[fits] * (kind == "table")))
        with pytest.raises(CommandError, match=r"refuses the default of code of t: (value too long|numeric)"):
            backend.revise()
    backend.say(table("t", *[fits] * (kind == "table")))
    assert "fails as it stands" not in backend.revise()


def test_a_view_of_the_models_comes_after_what_it_selects_from_and_is_no_table(backend: Backend) -> None:
    def say(*names: str) -> Say:
        def of(models: MetaData) -> None:
            t = Table("t", models, Column("id", Integer, primary_key=True), *map(Column, names, [Text] * 2))
            if "word" in names:
                chosen = select(t.c.id, t.c.word).where(t.c.word != ":a", t.c.word.like("100%"))
                first = CreateView(chosen, "chosen", metadata=models, schema="x", materialized=True)
                CreateView(select(first.table), "all of them", metadata=models)

        return of

    backend.say(say())
    backend.there_and_back()
    backend.say(say("word", "other"))
    written = backend.there_and_back()
    assert "op.create_table" not in written
    backend.say(say())
    written = " ".join(backend.revise().split())
    assert "DROP VIEW" not in written
    assert "PostgreSQL drops no column that materialized view x.chosen uses" in written


def test_a_view_of_the_models_with_the_name_of_a_table_is_refused_in_a_line(backend: Backend) -> None:
    backend.database.execute("CREATE TABLE v (id int)")

    def say(models: MetaData) -> None:
        t = Table("t", models, Column("id", Integer, primary_key=True))
        CreateView(select(t), "v", metadata=models)

    backend.say(say)
    with pytest.raises(CommandError, match=r"^the models have the view v, and the database has a table of "):
        backend.revise()


def test_a_view_that_selects_something_else_is_replaced_or_named(backend: Backend) -> None:
    def say(where: str, *names: str, materialized: bool = False) -> Say:
        def of(models: MetaData) -> None:
            t = Table(
                "t", models, Column("id", Integer, primary_key=True), Column("word", String(9)),
                *[Column("more", Text)] * ("more" in names),
            )  # fmt: skip
            chosen = select(*(t.c[name] for name in ("id", *names))).where(
                text(where), t.c.word.in_(["a%", ":b"])
            )
            CreateView(chosen, "v", metadata=models, materialized=materialized)

        return of

    backend.say(say("id > 1", "word"))
    backend.there_and_back()
    backend.database.execute("ALTER VIEW v SET (security_barrier)")
    command.check(backend.config)
    backend.database.execute(
        "CREATE OR REPLACE VIEW v WITH (security_barrier) AS "
        + str(backend.database.value("SELECT pg_get_viewdef('v'\\:\\:regclass)")).replace(":", r"\:")
    )
    command.check(backend.config)
    backend.say(say("id BETWEEN 2 AND 7", "word"))
    assert "CREATE OR REPLACE VIEW v WITH (security_barrier=true) AS" in backend.there_and_back()
    for models in (say("id > 1", "word", "more"), say("id > 2")):
        backend.say(models)
        written = " ".join(backend.revise(f"change{len(backend.files)}").split())
        assert (
            "REVIEW: the view v selects otherwise than in the models, and PostgreSQL cannot replace"
            in written
        )
        command.upgrade(backend.config, "head")
        with pytest.raises(CommandError, match="the view v selects otherwise"):
            command.check(backend.config)


def test_an_extension_that_no_model_names_is_found(backend: Backend) -> None:
    """An operator class, a function, what the CHECK of a domain has: the server is asked what has it."""
    backend.say(
        table(
            "stays",
            lambda: Column("room", Integer),
            lambda: Column("during", TSTZRANGE),
            lambda: Column("name", Text),
            lambda: ExcludeConstraint(("room", "="), ("during", "&&"), name="one_at_a_time", using="gist"),
            lambda: Index("by_name", text("lower(name) gin_trgm_ops"), postgresql_using="gin"),
            lambda: CheckConstraint("soundex(name) <> 'N100'", name="not_nobody"),
        ),
        table("guests", lambda: Column("room", DOMAIN("key", Text(), check="VALUE::ltree <> 'a'"))),
    )
    written = backend.there_and_back()
    created = [f"CREATE EXTENSION {name}" for name in ("btree_gist", "fuzzystrmatch", "ltree", "pg_trgm")]
    assert sorted(re.findall(r"CREATE EXTENSION \w+", written)) == created


def test_an_extension_whose_files_the_server_does_not_have_is_named(backend: Backend) -> None:
    """The embedded server comes without this one, which needs a library of the system."""
    backend.say(table("t", lambda: Column("key", Text, server_default=text("uuid_generate_v4()"))))
    written = " ".join(backend.revise().split())
    assert "REVIEW: fails as it stands: creates the extension uuid-ossp, and this server does not" in written


def test_a_schema_and_a_sequence_come_before_their_table(backend: Backend) -> None:
    number = Sequence("ticket_number_seq", start=1000)
    backend.say(
        table("invoices", lambda: Column("total", Integer), schema="billing"),
        table("tickets", lambda: Column("number", Integer, number, server_default=number.next_value())),
    )
    backend.there_and_back()


def test_a_sequence_that_no_column_has_is_created(backend: Backend) -> None:
    def say(models: MetaData) -> None:
        Sequence("tickets", metadata=models, start=7, schema="numbers")
        key = Column("id", Integer, primary_key=True, server_default=text("nextval('numbers.tickets')"))
        Table("t", models, key)

    backend.say(say)
    backend.there_and_back()


def test_a_type_with_create_type_false_is_neither_created_nor_changed_nor_dropped(backend: Backend) -> None:
    backend.database.psql("""
        CREATE SCHEMA other; CREATE TYPE other.mood AS ENUM ('sad', 'ok');
        CREATE TYPE mood AS ENUM ('sad', 'ok');
        CREATE DOMAIN small AS int CHECK (VALUE < 9);
    """)

    def t(*columns: str) -> Say:
        types: dict[str, Callable[[], Any]] = {
            "m": lambda: ENUM("good", name="mood", create_type=False),
            "o": lambda: ENUM("ok", "new", name="mood", schema="other", create_type=False),
            "s": lambda: DOMAIN("small", Integer(), create_type=False),
        }
        return table("t", *(lambda name=name: Column(name, types[name]()) for name in columns))

    for columns in ("mo", "mos"):
        backend.say(t(*columns), table("u", schema="other"))
        assert not re.search("(CREATE|ALTER|DROP) (TYPE|DOMAIN)", backend.there_and_back())
    backend.say(table("t", lambda: Column("a", ENUM("a", name="lacking", schema="no", create_type=False))))
    written = " ".join(backend.revise().split())
    assert "CREATE SCHEMA" not in written
    assert (
        'REVIEW: fails as it stands: PostgreSQL refuses the column a of t: schema "no" does not exist'
        in written
    )


def test_an_enum_that_no_column_has_is_left_to_what_uses_it(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TYPE mood AS ENUM ('sad', 'ok');
        CREATE DOMAIN good_mood AS mood CHECK (VALUE <> 'sad');
        CREATE TYPE colour AS ENUM ('red', 'blue'); CREATE TYPE size AS ENUM ('s', 'm');
        CREATE DOMAIN small AS text CHECK (VALUE = 's'::size::text);
        CREATE FUNCTION paint(c colour) RETURNS text LANGUAGE sql AS $$ SELECT c::text $$;
    """)
    backend.say(table("things"))
    assert "DROP TYPE" not in backend.there_and_back()


def test_an_enum_that_only_a_cast_uses_goes_with_that(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TYPE m1 AS ENUM ('q'); CREATE TYPE m2 AS ENUM ('q'); CREATE TYPE m3 AS ENUM ('q');
        CREATE TYPE m4 AS ENUM ('q');
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_t PRIMARY KEY,
            a text DEFAULT 'q'::m1::text, s m4, CONSTRAINT ck_t_c CHECK (a <> 'q'::m2::text),
            CONSTRAINT ck_t_s CHECK (s <> 'q'));
        CREATE INDEX i ON t (id) WHERE 'q'::m3 = ANY ('{q}'::m3[]);
    """)

    def t(*items: Any, default: Any = None) -> Say:
        return table("t", lambda: Column("a", Text, server_default=default), *items)

    check = lambda: CheckConstraint(r"a <> 'q'\:\:m2\:\:text", name="c")  # noqa: E731
    index = lambda: Index("i", "id", postgresql_where=text(r"'q'\:\:m3 = ANY ('{q}'\:\:m3[])"))  # noqa: E731
    default = text(r"'q'\:\:m1\:\:text")
    for models, gone in (
        (t(check, index, default=default), "m4"),
        (t(check, index), "m1"),
        (t(index), "m2"),
        (t(), "m3"),
    ):
        backend.say(models)
        assert re.findall(r"op.execute\('DROP TYPE (\w+)", backend.there_and_back()) == [gone]


def test_an_enum_that_only_an_exclusion_constraint_casts_to_goes_with_it(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TYPE m AS ENUM ('q');
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_t PRIMARY KEY, a text,
            CONSTRAINT x EXCLUDE (a WITH =) WHERE ('q'::m = ANY ('{q}'::m[])));
        COMMENT ON CONSTRAINT x ON t IS 'of a';
    """)
    backend.say(table("t", lambda: Column("a", Text)))
    assert "DROP TYPE m" in backend.there_and_back()


def test_a_table_of_an_extension_and_a_partition_are_left_alone(backend: Backend) -> None:
    backend.database.psql("""
        CREATE EXTENSION pg_trgm;
        CREATE TABLE spatial_ref_sys (srid int PRIMARY KEY);
        ALTER EXTENSION pg_trgm ADD TABLE spatial_ref_sys;
    """)

    def metrics(models: MetaData) -> None:
        at = Column("at", DateTime(timezone=True), primary_key=True)
        Table("metrics", models, at, postgresql_partition_by="RANGE (at)")

    backend.say(metrics)
    backend.there_and_back()
    backend.database.psql("""
        CREATE TABLE metrics_2025 PARTITION OF metrics FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        INSERT INTO metrics VALUES ('2025-05-05');
    """)
    assert backend.revise() == ""


def test_a_table_that_goes_says_how_to_leave_it_alone(backend: Backend) -> None:
    backend.database.execute("CREATE TABLE theirs (id int)")
    assert "If another program has it, name it in exclude_tables in the ini file" in backend.revise()


# Keys and where values come from


@pytest.mark.parametrize("options", [{}, {"use_alter": True}, {"deferrable": True, "initially": "DEFERRED"}])
def test_tables_that_refer_to_each_other_come_and_go(options: dict[str, Any], backend: Backend) -> None:
    backend.say(
        table("teams", lambda: Column("captain", ForeignKey("players.id", **options))),
        table("players", lambda: Column("team", ForeignKey("teams.id"))),
    )
    backend.there_and_back()
    backend.say()
    backend.there_and_back()


def test_serial_and_plain_columns_become_an_identity_that_goes_on_after_the_rows(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TABLE old_orders (id serial CONSTRAINT pk_old_orders PRIMARY KEY, n int);
        CREATE TABLE plain_orders (id int CONSTRAINT pk_plain_orders PRIMARY KEY, n int);
        INSERT INTO old_orders (n) SELECT generate_series(1, 5);
        INSERT INTO plain_orders SELECT 7, 1;
    """)

    def old(models: MetaData) -> None:
        key = Column("id", Integer, Identity(always=True), primary_key=True)
        Table("old_orders", models, key, Column("n", Integer))

    backend.say(old, table("plain_orders", lambda: Column("n", Integer)))
    backend.there_and_back()
    backend.database.psql("INSERT INTO old_orders (n) VALUES (1); INSERT INTO plain_orders (n) VALUES (1)")
    assert backend.database.column(
        "SELECT max(id) FROM old_orders UNION ALL SELECT max(id) FROM plain_orders"
    ) == [
        6,
        8,
    ]


def test_a_column_that_may_be_null_becomes_an_identity_and_again_one_that_may_be(backend: Backend) -> None:
    def t(*items: Any, **options: Any) -> Say:
        def say(models: MetaData) -> None:
            Table(
                "t", models, Column("n", Integer, *(item() for item in items), **options), Column("m", Text)
            )

        return say

    for given in ({}, {"server_default": "7"}, {"nullable": False}):
        backend.say(t(**given))
        backend.there_and_back()
        backend.say(t(Identity))
        written = backend.there_and_back()
        assert ("REVIEW: fails if rows of t have no n" in written) == ("nullable" not in given)
        backend.say(t(**given))
        backend.there_and_back()


@pytest.mark.parametrize("sources", [[], [lambda: Identity(maxvalue=10**12)]], ids=["serial", "identity"])
def test_a_key_that_is_numbered_becomes_another_that_is_not(sources: Any, backend: Backend) -> None:
    def say(type_: Any, *items: Any, **options: Any) -> Say:
        def of(models: MetaData) -> None:
            Table(
                "t", models,
                Column("id", type_, *(item() for item in items), primary_key=True, **options),
                Column("n", Integer),
            )  # fmt: skip

        return of

    numbered = say(BigInteger(), *sources)
    for models in (numbered, say(Text()), numbered, say(Integer(), autoincrement=False), numbered):
        backend.say(models)
        assert "does not know how to make" not in backend.there_and_back()


@pytest.mark.parametrize("name", ["n" * 63, "é" * 31, "a" * 29 + "é" * 17], ids=["n", "é", "both"])
def test_a_sequence_has_the_name_that_postgresql_gives_it(name: str, backend: Backend) -> None:
    def say(table: str, *items: Any) -> Say:
        def of(models: MetaData) -> None:
            Table(table, models, Column(name, Integer, *items), PrimaryKeyConstraint(name, name="pk"))

        return of

    sequences = "SELECT relname::text FROM pg_class WHERE relkind = 'S'"
    backend.say(say(name))
    backend.there_and_back()
    given = backend.database.column(sequences)
    for models in (say(name, Identity()), say(name)):
        backend.say(models)
        backend.there_and_back()
    assert backend.database.column(sequences) == given


def test_a_key_that_is_not_serial_in_the_models_is_none_in_the_database(backend: Backend) -> None:
    def say(models: MetaData) -> None:
        Table("a", models, Column("id", Integer, Sequence("numbers"), primary_key=True))
        Table("b", models, Column("id", Integer, primary_key=True, default=lambda: 7))
        Table("words", models, Column("id", Text, primary_key=True, default="x"))
        Table("c", models, Column("id", ForeignKey("d.id"), primary_key=True))
        Table("d", models, Column("id", Integer, ForeignKey("c.id"), primary_key=True))
        Table("e", models, Column("id", Integer, Sequence("e_id_seq", optional=True), primary_key=True))

    backend.say(say)
    assert "sa.Column('id', sa.Text(), nullable" in backend.there_and_back()
    assert backend.database.column("SELECT relname FROM pg_class WHERE relkind = 'S' ORDER BY 1") == [
        "e_id_seq",
        "numbers",
    ]


def test_a_default_of_a_type_without_equality_is_compared(backend: Backend) -> None:
    def say(name: str) -> Say:
        return table(
            "things",
            lambda: Column("j", JSON, server_default=text(r"'{}'\:\:json")),
            lambda: Column("k", JSON, server_default=name),
            lambda: Column("b", JSONB, server_default="{}"),
            lambda: Column("at", SQLPoint, server_default="(1,2)"),
        )

    backend.say(say("{}"))
    backend.there_and_back()
    backend.say(say("[]"))
    assert backend.there_and_back().count("op.alter_column") == 1


def test_a_default_of_null_is_none(backend: Backend) -> None:
    for default in (null(), text("NULL"), "NULL", None):
        backend.say(table("t", lambda default=default: Column("a", Text, server_default=default)))
        backend.there_and_back()
    backend.database.execute("INSERT INTO t DEFAULT VALUES")
    assert backend.database.value("SELECT a FROM t") is None


def test_a_default_that_the_models_do_not_say_is_left_alone(backend: Backend) -> None:
    def say(*sources: Any) -> Say:
        return table(
            "t",
            *(
                lambda n=n, each=each: Column(f"c{n}", Integer, each, nullable=n != 2)
                for n, each in enumerate(sources)
            ),
        )

    backend.say(say(DefaultClause("1"), Computed("id + 1"), Identity()))
    backend.there_and_back()
    backend.say(say(FetchedValue(), FetchedValue(), FetchedValue()))
    assert backend.revise() == ""


@pytest.mark.parametrize("stored", [True, False])
def test_a_generated_column_gets_another_expression(stored: bool, backend: Backend) -> None:
    def say(expression: str, column: str, *items: Any) -> Say:
        made = lambda: Column("n", Integer, Computed(expression, persisted=stored))  # noqa: E731
        return table("t", lambda: Column(column, Integer), made, *items)

    backend.say(say("a + 1", "a"))
    backend.there_and_back()
    backend.say(say("id * 2", "a"))
    assert ("REVIEW: no session can read or write t" in backend.there_and_back()) == stored
    backend.say(say("(id * 2)", "b"))
    backend.there_and_back()


def test_a_changed_primary_key_is_refused_in_a_line(backend: Backend) -> None:
    backend.database.execute("CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, n int PRIMARY KEY)")
    backend.say(table("t", lambda: Column("n", Integer, nullable=False)))
    with pytest.raises(CommandError, match=r"^table t: the database has the primary key .*\(n\), .*\(id\)\."):
        backend.revise()
    assert backend.files == []


def test_a_new_primary_key_makes_its_columns_not_null(backend: Backend) -> None:
    backend.database.psql("CREATE TABLE t (a int, b int)")

    def t(models: MetaData) -> None:
        first = Column("a", Integer, primary_key=True, autoincrement=False)
        Table("t", models, first, Column("b", BigInteger, primary_key=True))

    backend.say(t)
    backend.there_and_back()


def test_a_serial_column_is_added_with_its_sequence(backend: Backend) -> None:
    backend.database.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)")

    def t(models: MetaData) -> None:
        Table("t", models, Column("id", Integer, primary_key=True, comment="it's"), Column("n", Integer))

    backend.say(t)
    assert "REVIEW: no session can read or write t" in backend.there_and_back()
    assert backend.database.value("INSERT INTO t (n) VALUES (3) RETURNING id") == 3


def test_a_foreign_key_that_differs_only_in_its_match_or_is_not_enforced_is_changed(backend: Backend) -> None:
    for match in ("SIMPLE", "FULL", None):
        backend.say(table("p"), table("c", lambda match=match: Column("p", ForeignKey("p.id", match=match))))
        backend.there_and_back()
        assert ("MATCH FULL" in backend.database.schema()) == (match == "FULL")
    backend.database.psql("""
        ALTER TABLE c DROP CONSTRAINT fk_c_p,
            ADD CONSTRAINT fk_c_p FOREIGN KEY (p) REFERENCES p NOT ENFORCED
    """)
    backend.there_and_back()
    assert "NOT ENFORCED" not in backend.database.schema()


@pytest.mark.parametrize("columns", ["c,b", 'C, "b"', "b , c"])
def test_the_columns_that_a_foreign_key_sets_to_null_are_found_in_any_form(
    columns: str, backend: Backend
) -> None:
    def p(models: MetaData) -> None:
        key = [Column(name, Integer, primary_key=True, autoincrement=False) for name in "abc"]
        Table("p", models, *key)

    key = lambda: ForeignKeyConstraint([*"abc"], ["p.a", "p.b", "p.c"], ondelete=f"SET NULL ({columns})")  # noqa: E731
    backend.say(p, table("t", *(lambda name=name: Column(name, Integer) for name in "abc"), key))
    backend.there_and_back()


def test_the_comment_of_a_constraint_is_written_changed_and_brought_back(backend: Backend) -> None:
    def t(comment: str | None, *, more: bool = True, deferrable: bool | None = None) -> list[Say]:
        def of(models: MetaData) -> None:
            says: dict[str, Any] = {"comment": comment}
            for name, other in ("tu", "ut"):
                one = Table(name, models, Column("id", Integer), Column("n", Integer), Column("m", Integer))
                one.append_constraint(PrimaryKeyConstraint("id", **says))
                if more:
                    one.append_constraint(CheckConstraint("n > 0", name="positive", **says))
                    one.append_constraint(UniqueConstraint("n", deferrable=deferrable, **says))
                    one.append_constraint(UniqueConstraint("n", name=f"again_{name}", **says))
                    one.append_constraint(
                        ForeignKeyConstraint(["n"], [f"{other}.id"], deferrable=deferrable, **says)
                    )
                    excluded = ExcludeConstraint(("m", "="), name=f"x_{name}", using="btree")
                    excluded.comment = comment
                    one.append_constraint(excluded)

        return [of]

    for models in (
        t("it's 100% of :n"), t("other"), t(""), t("a", deferrable=True), t(None), t("b", more=False),
        t("c"), [], t("d"), t("e", more=False),
    ):  # fmt: skip
        backend.say(*models)
        backend.there_and_back()
    assert backend.database.schema().count("COMMENT ON CONSTRAINT") == 2


def test_a_comment_is_there_at_each_step_of_a_downgrade(backend: Backend) -> None:
    def t(*items: Any) -> Say:
        return table("t", lambda: Column("n", Integer), *items)

    backend.say(t())
    backend.there_and_back()
    backend.say(t(lambda: CheckConstraint("n > 0", name="positive", comment="of n")))
    backend.there_and_back()
    command.downgrade(backend.config, "-1")  # the one that validates
    assert "'of n'" in backend.database.schema()


# Types


class SQLPoint(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "point"


class Unknown(SQLPoint):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "unknown_type"


class Shouting(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True


def test_a_type_of_the_application_is_written_without_it(backend: Backend) -> None:
    backend.say(table("shouts", lambda: Column("word", Shouting()), lambda: Column("at", SQLPoint())))
    written = backend.there_and_back()
    assert "SQLType('point')" in written
    assert "models" not in written.split("def upgrade")[0].split('"""')[2]


def test_an_interval_keeps_its_precision(backend: Backend) -> None:
    backend.say(table("t", lambda: Column("a", Interval(second_precision=3))))
    backend.there_and_back()
    assert "a interval(3)" in backend.database.schema()


def test_a_text_with_a_default_becomes_an_enum(backend: Backend) -> None:
    def say(type_: Any) -> Say:
        check = lambda: CheckConstraint("state <> 'done' OR id > 0", name="c")  # noqa: E731
        index = lambda: Index("i", "state", postgresql_where=text("state = 'new'"))  # noqa: E731
        return table(
            "jobs", lambda: Column("state", type_, server_default="new", nullable=False), check, index
        )

    backend.say(say(String(20)))
    backend.there_and_back()
    backend.database.execute("INSERT INTO jobs DEFAULT VALUES")
    backend.say(say(Enum("new", "done", name="job_state")))
    written = backend.there_and_back()
    assert "REVIEW: fails if a value of jobs.state does not fit job_state" in written
    assert backend.database.value("SELECT state FROM jobs") == "new"


def test_what_prevents_the_change_of_a_type_is_named_and_nothing_else_is_said(backend: Backend) -> None:
    def say(key: Any, number: Any) -> list[Say]:
        return [
            table("p", lambda: Column("k", key, unique=True)),
            table("c", lambda: Column("k", ForeignKey("p.k"))),
            table("g", lambda: Column("n", number), lambda: Column("d", Integer, Computed("n + 1"))),
        ]

    backend.say(*say(Integer(), Integer()))
    backend.there_and_back()
    backend.say(*say(Text(), BigInteger()))
    written = " ".join(backend.revise().split())
    assert written.count("with TEXT, PostgreSQL does not keep foreign key fk_c_k of c.") == 1
    assert "PostgreSQL changes no type that generated column d uses" in written
    assert "does not know how to make" not in written


def test_a_narrower_type_says_that_longer_values_fail(backend: Backend) -> None:
    for type_, remark in ((String(20), ""), (String(10), "does not fit VARCHAR(10)")):
        backend.say(table("t", lambda type_=type_: Column("s", type_)))
        assert remark in backend.there_and_back()


def test_a_type_that_rounds_or_cuts_values_says_so(backend: Backend) -> None:
    altered = {
        "price": (Numeric(10, 2), Integer(), "1.50"),
        "ratio": (Double(), Numeric(), "1234567.123456789"),
        "number": (BigInteger(), Double(), "9007199254740993"),
        "at": (DateTime(), Date(), "2024-02-03 04:05:06"),
        "host": (INET(), CIDR(), "10.1.2.3/8"),
        "prices": (ARRAY(Numeric()), ARRAY(Integer()), "{1.50}"),
    }
    kept = {
        "count": (Integer(), BigInteger(), "7"),
        "total": (Numeric(10, 2), Numeric(12, 2), "1.50"),
        "day": (Date(), DateTime(), "2024-02-03"),
        "word": (String(20), Text(), "word"),
    }
    columns: dict[str, tuple[Any, ...]] = {**altered, **kept}

    def say(place: int) -> Say:
        return table("t", *(lambda name=name: Column(name, columns[name][place]) for name in columns))

    backend.say(say(0))
    backend.there_and_back()
    values = ", ".join(f"'{value}'" for *_, value in columns.values())
    backend.database.execute(f"INSERT INTO t ({', '.join(columns)}) VALUES ({values})".replace(":", r"\:"))
    backend.say(say(1))
    written = backend.revise().partition("def downgrade")[0]
    command.upgrade(backend.config, "head")
    assert set(re.findall(r"a value of t\.(\w+) that .* is rounded or cut", written)) == altered.keys()
    assert backend.database.query("SELECT price, number FROM t") == [(2, 9007199254740992.0)]


def test_a_domain_that_values_may_break_or_that_needs_one_says_so(backend: Backend) -> None:
    email = DOMAIN("email", Text(), check="VALUE LIKE '%@%'")
    required = DOMAIN("required", Integer(), not_null=True)
    given = DOMAIN("given", Integer(), not_null=True, default=text("1"))
    backend.say(table("t", lambda: Column("a", Text)))
    backend.there_and_back()
    backend.database.execute("INSERT INTO t (a) VALUES ('nobody')")
    backend.say(table("t", lambda: Column("a", email)))
    assert "REVIEW: fails if a value of t.a does not fit email" in backend.revise()
    with pytest.raises(CommandError, match="violates check constraint"):
        command.upgrade(backend.config, "head")
    backend.database.execute("DELETE FROM t")
    command.upgrade(backend.config, "head")
    backend.say(
        table("t", lambda: Column("a", email), lambda: Column("b", required), lambda: Column("c", given))
    )
    assert backend.there_and_back().count("REVIEW: fails if t has rows") == 1


def test_a_column_whose_domain_is_not_null_is_as_it_was_when_it_comes_back(backend: Backend) -> None:
    def t(type_: Any, **options: Any) -> Say:
        return table("t", lambda: Column("a", type_, **options))

    required = DOMAIN("required", Text(), not_null=True)
    for models in (t(required), t(Text()), t(required), t(Text(), nullable=False), t(required)):
        backend.say(models)
        backend.there_and_back()


def test_an_index_by_an_enum_a_cast_or_an_order_is_found_again(backend: Backend) -> None:
    class State(StrEnum):
        NEW = "new"
        DONE = "done"

    def jobs(models: MetaData) -> None:
        state: Column[Any] = Column("state", Enum(State, name="job_state"))
        jobs = Table(
            "jobs", models, Column("id", Integer, Identity(), primary_key=True), state, Column("n", Integer)
        )
        Index("new", jobs.c.n, postgresql_where=jobs.c.state == State.NEW)
        Index("as_text", cast(jobs.c.n, Text))
        Index("falling", jobs.c.n.desc().nulls_last())
        Index("by_ops", "n", postgresql_ops={"n": "DESC"}, _table=jobs)

    backend.say(jobs)
    backend.there_and_back()


# What comes back


def test_a_dropped_table_comes_back_whole(backend: Backend) -> None:
    backend.database.psql(r"""
        CREATE TABLE rooms (id int GENERATED BY DEFAULT AS IDENTITY (START 7) CONSTRAINT pk_rooms PRIMARY KEY,
            a int DEFAULT 3 CONSTRAINT ck_rooms_a CHECK (a > 0), b int,
            c int GENERATED ALWAYS AS (a + b) STORED,
            during tstzrange, u int, CONSTRAINT uq_rooms_u UNIQUE (u) DEFERRABLE INITIALLY DEFERRED,
            parent int CONSTRAINT fk_rooms_parent REFERENCES rooms ON DELETE SET NULL, at point,
            word varchar(9) COLLATE "C" CHECK (word IN ('a', 'b')), n serial,
            CONSTRAINT ex EXCLUDE USING gist (during WITH &&)) WITH (fillfactor = 70);
        CREATE INDEX idx_rooms_b ON rooms (b DESC) WHERE b > 0;
        CREATE INDEX idx_rooms_word ON rooms (word text_pattern_ops);
        COMMENT ON TABLE rooms IS 'it''s 100% : \x';
        COMMENT ON COLUMN rooms.a IS 'it''s';
        COMMENT ON INDEX idx_rooms_b IS 'falling';
        COMMENT ON CONSTRAINT ck_rooms_a ON rooms IS ':a';
        CREATE STATISTICS of_rooms ON a, b FROM rooms;
        CREATE UNLOGGED TABLE jobs (id serial CONSTRAINT pk_jobs PRIMARY KEY,
            n int GENERATED ALWAYS AS IDENTITY);
    """)
    written = backend.there_and_back()
    assert "REVIEW: drops the table rooms" in written
    assert "REVIEW: drops the table jobs" in written


def test_what_a_column_takes_with_it_comes_back(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_t PRIMARY KEY, n serial,
            word varchar(9) COLLATE "C" DEFAULT ':a' CHECK (word IN ('a', 'b')), during tstzrange,
            CONSTRAINT x EXCLUDE USING gist (during WITH &&) DEFERRABLE);
        CREATE UNIQUE INDEX i ON t (word text_pattern_ops, n) NULLS NOT DISTINCT WITH (fillfactor = 70);
        COMMENT ON COLUMN t.word IS '100%';
        CREATE STATISTICS s ON n, word FROM t;
    """)
    backend.say(table("t"))
    backend.there_and_back()


@pytest.mark.parametrize("left", [(), (table("t"),)], ids=["of a table", "of a column"])
def test_what_an_index_has_besides_its_definition_comes_back(left: tuple[Say], backend: Backend) -> None:
    """Also what the index of a constraint has."""
    backend.database.psql("""
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_t PRIMARY KEY,
            n int NOT NULL, word text, CONSTRAINT u UNIQUE (word) WITH (fillfactor = 60));
        CREATE UNIQUE INDEX i ON t (n);
        ALTER TABLE t CLUSTER ON i;
        ALTER TABLE t REPLICA IDENTITY USING INDEX i;
        CREATE INDEX j ON t (lower(word));
        ALTER INDEX j ALTER COLUMN 1 SET STATISTICS 77;
        COMMENT ON INDEX j IS 'lower';
        COMMENT ON INDEX u IS 'of the constraint';
        CREATE STATISTICS s ON n, word FROM t;
        ALTER STATISTICS s SET STATISTICS 50;
        COMMENT ON STATISTICS s IS 'of both';
    """)
    backend.say(*left)
    backend.there_and_back()


def test_partitions_come_back_as_they_were(backend: Backend) -> None:
    backend.database.psql("""
        CREATE SCHEMA parts;
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY, word text DEFAULT 'a', day date,
            CONSTRAINT pk_t PRIMARY KEY (id, day), CONSTRAINT positive CHECK (id > 0))
            PARTITION BY RANGE (day);
        CREATE INDEX by_word ON t (word);
        CREATE TABLE parts.t1 PARTITION OF t (word DEFAULT 'b', CONSTRAINT own CHECK (id < 100))
            FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') WITH (fillfactor = 70);
        CREATE TABLE t2 (day date NOT NULL, word text COMPRESSION pglz, id int NOT NULL,
            CONSTRAINT key_of_t2 PRIMARY KEY (id, day), CONSTRAINT positive CHECK (id > 0));
        CREATE INDEX word_of_t2 ON t2 (word);
        ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        CREATE TABLE others PARTITION OF t DEFAULT PARTITION BY HASH (id);
        CREATE UNLOGGED TABLE others_0 PARTITION OF others FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        COMMENT ON COLUMN t2.word IS 'of t2';
    """)
    backend.there_and_back()


def test_a_table_that_inherits_comes_back(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TABLE parent (id int CONSTRAINT pk_parent PRIMARY KEY, a text NOT NULL);
        CREATE TABLE child (a text DEFAULT 'y', b int, CONSTRAINT pk_child PRIMARY KEY (id))
            INHERITS (parent);
    """)
    backend.there_and_back()


def test_triggers_rules_and_policies_come_back_as_they_were(backend: Backend) -> None:
    backend.database.psql("""
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
        CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, a text);
        CREATE TRIGGER one BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(':a', '100%');
        CREATE TRIGGER two BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
        ALTER TABLE t DISABLE TRIGGER one, ENABLE ALWAYS TRIGGER two;
        COMMENT ON TRIGGER one ON t IS 'one';
        CREATE RULE none AS ON DELETE TO t WHERE old.a = ':a' DO INSTEAD NOTHING;
        ALTER TABLE t DISABLE RULE none;
        COMMENT ON RULE none ON t IS 'none';
        CREATE POLICY mine ON t USING (a = current_user);
        COMMENT ON POLICY mine ON t IS 'mine';
    """)
    backend.there_and_back()


def test_what_a_downgrade_does_not_restore_is_named(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_t PRIMARY KEY, a text);
        CREATE TABLE u (id int CONSTRAINT pk_u PRIMARY KEY);
        GRANT SELECT ON u TO PUBLIC;
        GRANT INSERT (a) ON t TO pg_monitor;
        CREATE PUBLICATION p FOR TABLE u;
    """)
    backend.say(table("t"))
    written = " ".join(backend.revise().split())
    assert "REVIEW: restores u without the publication p, the rights of PUBLIC:" in written
    assert "REVIEW: restores t.a without the rights of pg_monitor:" in written


def test_a_table_goes_after_those_that_use_its_sequence(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TABLE a (id serial CONSTRAINT pk_a PRIMARY KEY);
        CREATE TABLE b (id int DEFAULT nextval('a_id_seq') CONSTRAINT pk_b PRIMARY KEY);
    """)
    backend.there_and_back()


def test_a_default_that_uses_the_sequence_of_a_table_that_goes_is_named(backend: Backend) -> None:
    backend.database.psql("""
        CREATE TABLE a (id serial CONSTRAINT pk_a PRIMARY KEY, n serial);
        CREATE TABLE b (id int GENERATED BY DEFAULT AS IDENTITY CONSTRAINT pk_b PRIMARY KEY,
            a int DEFAULT nextval('a_id_seq'), n int DEFAULT nextval('a_n_seq'));
    """)
    a = lambda: Column("a", Integer, server_default=text("nextval('a_id_seq')"))  # noqa: E731
    n = lambda: Column("n", Integer, server_default=text("nextval('a_n_seq')"))  # noqa: E731
    backend.say(table("b", a, n))
    written = " ".join(backend.revise().split())
    assert "PostgreSQL drops no table that default of a in b, default of n in b uses" in written


# What models say already


def test_an_index_that_is_to_be_built_concurrently_is_built_with_its_new_table(backend: Backend) -> None:
    def places(*items: Any) -> Say:
        return table("places", lambda: Column("a", Integer), *items)

    index = lambda: Index("i", "a", postgresql_concurrently=True)  # noqa: E731
    backend.say(places(index))
    assert "concurrently" not in backend.there_and_back()
    backend.say(places())
    backend.there_and_back()
    backend.say(places(index))
    assert backend.there_and_back().count("create_index") == 1


def test_an_index_of_a_partitioned_table_is_not_built_concurrently(backend: Backend) -> None:
    def events(*items: Any) -> Say:
        return table("events", lambda: Column("a", Integer), *items, postgresql_partition_by="RANGE (id)")

    backend.say(events())
    backend.there_and_back()
    backend.say(events(lambda: Index("i", "a", "id", unique=True, postgresql_concurrently=True)))
    written = backend.there_and_back()
    assert "REVIEW: no session can write to events" in written
    assert "REVIEW: the build fails if rows have the same values" in written


def test_an_index_of_a_partition_that_goes_with_that_of_its_parent_is_named(backend: Backend) -> None:
    def events(*items: Any) -> Say:
        return table("events", lambda: Column("a", Integer), *items, postgresql_partition_by="RANGE (id)")

    backend.say(events())
    backend.there_and_back()
    backend.database.psql("CREATE TABLE e PARTITION OF events DEFAULT; CREATE INDEX own ON e (a)")
    backend.say(events(lambda: Index("i", "a")))
    assert "REVIEW: if it is equal to one of own, PostgreSQL makes that a part of it" in backend.revise()


def test_the_index_of_another_table_that_is_not_compared_is_not_dropped(backend: Backend) -> None:
    backend.say(table("t", lambda: Column("n", Integer)))
    backend.there_and_back()
    backend.database.execute("CREATE TABLE temp_notes (n int); CREATE INDEX i ON temp_notes (n)")
    for item in (lambda: Index("i", "n"), lambda: UniqueConstraint("n", name="i")):
        backend.say(table("t", lambda: Column("n", Integer), item))
        with pytest.raises(CommandError, match=r"^the table temp_notes has an index of the name i, "):
            backend.revise()


def test_a_unique_index_says_that_rows_may_have_the_same_values(backend: Backend) -> None:
    column = lambda: Column("a", Integer)  # noqa: E731
    backend.say(table("t", column))
    backend.there_and_back()
    backend.database.execute("INSERT INTO t (a) VALUES (1), (1)")
    backend.say(table("t", column, lambda: Index("i", "a", unique=True)))
    assert "REVIEW: the build fails if rows have the same values" in backend.revise()
    with pytest.raises(CommandError, match="could not create unique index"):
        command.upgrade(backend.config, "head")
    backend.database.execute("UPDATE t SET a = id")
    command.upgrade(backend.config, "head")
    command.check(backend.config)


def test_the_check_of_an_enum_or_a_boolean_is_one_of_the_table(backend: Backend) -> None:
    def state(*labels: str, **more: Any) -> Callable[[], Column[Any]]:
        return lambda: Column(
            "s", Enum(*labels, name="state", native_enum=False, create_constraint=True, length=9), **more
        )

    backend.say(
        table("t", state("a", "b%"), lambda: Column("b", Boolean(create_constraint=True, name="b"))),
        table("u"),
    )
    assert "CheckConstraint(\"s IN ('a', 'b%')\"" in backend.there_and_back()
    backend.say(table("t", state("a", "b%", ":c")), table("u", state("a", server_default="a")))
    backend.there_and_back()


def test_a_foreign_key_goes_before_the_key_that_it_needs_and_comes_after_it(backend: Backend) -> None:
    def parent(*, unique: bool) -> Say:
        return table("parent", lambda: Column("k", Integer, unique=unique))

    def child(*items: Any) -> Say:
        return table("child", lambda: Column("k", Integer, *(item() for item in items)))

    linked = (parent(unique=True), child(lambda: ForeignKey("parent.k")))
    for models in (linked, (parent(unique=False), child()), linked, (parent(unique=False),)):
        backend.say(*models)
        backend.there_and_back()


def test_a_foreign_key_comes_after_what_is_built_for_it_and_goes_before_that(backend: Backend) -> None:
    def p(*items: Any) -> Say:
        return table("p", lambda: Column("k", Integer), *items)

    def c(*items: Any) -> Say:
        return table("c", lambda: Column("k", Integer), lambda: Column("j", Integer), *items)

    index = lambda: Index("ux", "k", unique=True)  # noqa: E731
    to_index = lambda: ForeignKeyConstraint(["k"], ["p.k"])  # noqa: E731
    pair = (lambda: Column("j", Integer), lambda: UniqueConstraint("k", "j"))
    to_pair = lambda: ForeignKeyConstraint(["k", "j"], ["p.k", "p.j"])  # noqa: E731
    for models in (
        (p(), c()), (p(index), c(to_index)), (p(), c()), (p(index),), (p(), c()),
        (p(*pair), c(to_pair)), (p(),), (p(*pair, index), c(to_pair, to_index)), (p(),),
    ):  # fmt: skip
        backend.say(*models)
        backend.there_and_back()


@pytest.mark.parametrize("options", [({}, {"index": True}), ({"index": True}, {})])
def test_a_foreign_key_that_stays_when_what_it_uses_goes_is_named(
    options: tuple[dict[str, bool], dict[str, bool]], backend: Backend
) -> None:
    def say(**more: Any) -> list[Say]:
        c = table("c", lambda: Column("k", ForeignKey("p.k")))
        return [table("p", lambda: Column("k", Integer, unique=True, **more)), c]

    before, after = options
    backend.say(*say(**before))
    backend.there_and_back()
    backend.say(*say(**after))
    written = " ".join(backend.revise().split())
    assert "PostgreSQL drops nothing unique that foreign key fk_c_k of c uses" in written


def test_what_uses_a_column_or_a_table_that_goes_is_named(backend: Backend) -> None:
    backend.say(table("t", lambda: Column("a", Integer)), table("u"))
    backend.there_and_back()
    backend.database.psql("""
        CREATE VIEW of_t AS SELECT a FROM t; CREATE POLICY of_a ON t USING (a > 0);
        CREATE VIEW of_u AS SELECT id FROM u; CREATE SCHEMA other; CREATE TABLE other.c (u int REFERENCES u)
    """)
    backend.say(table("t"))
    written = " ".join(backend.revise().split())
    assert "PostgreSQL drops no column that policy of_a on table t, view of_t uses" in written
    assert "PostgreSQL drops no table that foreign key c_u_fkey of other.c, view of_u uses" in written


def test_what_a_ddl_if_gives_to_another_database_is_not_made(backend: Backend) -> None:
    def say(*, more: bool) -> Say:
        def of(models: MetaData) -> None:
            Table("p", models, Column("id", Integer, primary_key=True))
            t = Table("t", models, Column("id", Integer, primary_key=True), Column("a", Text))
            if more:
                Index("i", t.c.a).ddl_if(dialect="sqlite")
                Index("i", t.c.a.desc()).ddl_if(dialect="postgresql")
                for item in (
                    CheckConstraint("a GLOB 'x'", name="c"),
                    UniqueConstraint("a"),
                    ForeignKeyConstraint(["id"], ["p.id"]),
                ):
                    t.append_constraint(item.ddl_if(dialect="sqlite"))

        return of

    for models in ([say(more=False)], [say(more=True)], [], [say(more=True)]):
        backend.say(*models)
        assert "GLOB" not in backend.there_and_back()
    assert "CREATE INDEX i ON public.t USING btree (a DESC)" in backend.database.schema()


def test_the_options_of_an_index_name_columns_that_have_keys(backend: Backend) -> None:
    def of(*items: Any) -> Say:
        number = lambda: Column("number of it", Integer, key="n")  # noqa: E731
        return table("t", number, lambda: Column("the word", Text, key="w"), *items)

    options: dict[str, Any] = {"postgresql_include": ["n"], "postgresql_ops": {"w": "text_pattern_ops"}}
    index = lambda: Index("i", "w", **options)  # noqa: E731
    for models in (of(index), of(), of(index)):
        backend.say(models)
        backend.there_and_back()


def test_the_expressions_of_an_index_name_columns_that_have_keys(backend: Backend) -> None:
    def say(*, indexed: bool) -> Say:
        def of(models: MetaData) -> None:
            n = Column("number of it", Integer, key="n")
            t = Table("t", models, Column("id", Integer, primary_key=True), n)
            if indexed:
                Index("i", func.coalesce(t.c.n, -t.c.n), t.c.n.desc())

        return of

    for indexed in (True, False, True):
        backend.say(say(indexed=indexed))
        backend.there_and_back()


def test_the_include_of_a_key_names_columns_that_have_keys(backend: Backend) -> None:
    def of(*items: Any) -> Say:
        number = lambda: Column("number of it", Integer, key="n")  # noqa: E731
        return table("t", number, lambda: Column("word", Text, key="w"), *items)

    key = lambda: UniqueConstraint("w", postgresql_include=["n"])  # noqa: E731
    for models in (of(key), of(), of(key)):
        backend.say(models)
        backend.there_and_back()
    assert 'INCLUDE ("number of it")' in backend.database.schema()


def test_a_convention_may_make_names_of_the_schema(backend: Backend) -> None:
    def convention(models: MetaData) -> None:
        models.naming_convention = {**NAMING_CONVENTION, "ix": "ix_%(column_0_label)s"}

    backend.say(convention, table("t", lambda: Column("n", Integer, index=True), schema="x"))
    assert "ix_x_t_n" in backend.there_and_back()


def test_ten_parts_and_more_sort_in_their_order(backend: Backend) -> None:
    indexes = [lambda n=n: Index(f"i{n}", "id", postgresql_where=text(f"id > {n}")) for n in range(10)]
    backend.say(table("t"))
    backend.there_and_back()
    backend.say(table("t", *indexes))
    backend.revise("many")
    names = [file.stem.split("_", 2)[2] for file in backend.files if "many" in file.name]
    assert names == [f"many_{n + 1:02}_i{n}" for n in range(10)]


# Renames


def renamed(source: str) -> str:
    """Return a revision with the lines that its remarks offer in place of what they are about."""
    functions = re.split(r"(?m)^(?=def )", source)
    for number, function in enumerate(functions[1:], 1):
        lines = re.findall(r"^ +#     (op\..*)$", function, re.M)
        assert lines, function
        functions[number] = (
            function.partition("\n")[0] + "\n" + "".join(f"    {line}\n" for line in lines) + "\n\n"
        )
    return "".join(functions)


def test_the_lines_that_are_offered_rename_what_is_named_after_a_table_or_a_column(backend: Backend) -> None:
    def say(table: str, *columns: str) -> Say:
        def of(models: MetaData) -> None:
            one, other = columns
            Table(
                table,
                models,
                Column("id", Integer, Identity(), primary_key=True),
                Column(one, Integer, index=True),
                Column(other, Text, unique=True, server_default="a"),
                Column("parent", ForeignKey(f"{table}.id"), index=True),
                CheckConstraint(f"{one} > 0", name="positive"),
                Index(f"{table}_{one}_{other}", one, other),
            )

        return of

    backend.say(say("old", "number", "word"))
    backend.there_and_back()
    for changed in (say("old", "count", "text"), say("new", "count", "text")):
        backend.database.execute("INSERT INTO old VALUES (DEFAULT, 1, gen_random_uuid(), NULL)")
        [start] = backend.database.heads()
        before = backend.database.schema()
        backend.say(changed)
        known = set(backend.files)
        backend.revise("rename")
        written = set(backend.files) - known
        main = next(file for file in written if "REVIEW: a rename?" in file.read_text())
        for other in written - {main}:
            other.unlink()
        source = re.sub(r"^down_revision.*$", f"down_revision = {start!r}", main.read_text(), flags=re.M)
        main.write_text(renamed(source))
        command.upgrade(backend.config, "head")
        command.check(backend.config)
        command.downgrade(backend.config, start)
        assert backend.database.schema() == before
        command.upgrade(backend.config, "head")
    assert backend.database.value("SELECT count(*) FROM new") == 2


def test_the_lines_that_are_offered_move_a_table_to_another_schema_and_back(backend: Backend) -> None:
    def say(schema: str | None) -> Say:
        return table("t", lambda: Column("n", Integer, index=True), schema=schema)

    backend.say(say(None), table("other", schema="x"))
    backend.there_and_back()
    before = backend.database.schema()
    backend.say(say("x"), table("other", schema="x"))
    backend.revise("move")
    [file] = [each for each in backend.files if each.stem.endswith("move")]
    file.write_text(renamed(file.read_text()))
    command.upgrade(backend.config, "head")
    command.check(backend.config)
    command.downgrade(backend.config, "-1")
    assert backend.database.schema() == before


# Models that no revision can be written for


def plain_enum() -> Enum:
    return Enum("x", "y", native_enum=False, create_constraint=True, name="xy")


LONG = "n" * 64
FAULTS: dict[str, tuple[Say, str]] = {
    "a foreign key to nothing": (
        table("t", lambda: Column("n", ForeignKey("nowhere.id"))),
        "the foreign key of t.n refers to nowhere.id, which no model has",
    ),
    "a column whose name is cut": (
        table("t", lambda: Column(LONG, Integer)),
        f"the name {LONG} has more than 63 bytes",
    ),
    "a table whose name is cut": (table("é" * 32), ".* has more than 63 bytes"),
    "a schema with a dot": (table("t", schema="a.b"), "the schema a.b has a dot in its name"),
    "two indexes of one name": (
        table("t", lambda: Index("i", "id"), lambda: Index("i", text("id DESC"))),
        "a Index of t on id and a Index of t on an expression have the name i, and the tables, indexes",
    ),
    "an index of the name of a table": (
        table("t", lambda: Index("t", "id")),
        "a Index of t on id and the table t have the name t",
    ),
    "a unique constraint of the name of a sequence": (
        table(
            "t",
            lambda: Column("n", Integer, Sequence("s")),
            lambda: UniqueConstraint("n", name="s"),
        ),
        "a UniqueConstraint of t on n and the sequence s have the name s",
    ),
    "an enum of the name of a table": (
        table("t", lambda: Column("n", Enum("a", name="t"))),
        r"the enum of t\.n and the table t have the name t, and the tables and types of public need",
    ),
    "two constraints of one name": (
        table("t", *(lambda name=name: Column(name, plain_enum(), server_default="x") for name in "ab")),
        "a CheckConstraint of t on b and a CheckConstraint of t on a have the name ck_t_xy, and the const",
    ),
    "a column without a type": (table("t", lambda: Column("n")), r"t\.n: .* forget to specify a type"),
    "a type of another database": (
        table("t", lambda: Column("n", LONGTEXT())),
        r"t\.n has the type LONGTEXT, which PostgreSQL does not have",
    ),
    "an enum without a name": (
        table("t", lambda: Column("n", Enum("a"))),
        r"t\.n: PostgreSQL Enum type requires a name",
    ),
    "an enum whose name is cut": (
        table("t", lambda: Column("n", Enum("a", name=LONG))),
        f"the name {LONG} has more than 63 bytes",
    ),
    "an enum of different labels": (
        table("t", lambda: Column("n", Enum("a", name="e")), lambda: Column("m", Enum("b", name="e"))),
        "the models give the enum e the labels a and elsewhere b",
    ),
    "a name that becomes another": (
        table("t", lambda: Column("N", Integer, quote=False)),
        "the name N has quote=False, and PostgreSQL makes it n",
    ),
    "an index that includes nothing": (
        table("t", lambda: Index("i", "id", postgresql_include=["n"])),
        "the index i of t includes n, which is no column of it",
    ),
    "a key that includes nothing": (
        table("t", lambda: UniqueConstraint("id", name="u", postgresql_include=["n"])),
        "the constraint u of t includes n, which is no column of it",
    ),
    "an index of a virtual column": (
        table("t", lambda: Column("n", Integer, Computed("id + 1")), lambda: Index("i", "n")),
        "the index i of t is on n, which is computed when it is read, .* persisted=True$",
    ),
    "a type with a limit that is too big": (
        table("t", lambda: Column("n", String(99999999))),
        "PostgreSQL refuses the column n of t: length for type varchar cannot exceed",
    ),
    "a column that is generated from none": (
        table("t", lambda: Column("n", Integer, Computed("m + 1"))),
        'PostgreSQL refuses the column n of t: column "m" does not exist',
    ),
    "a CHECK with a syntax error": (
        table("t", lambda: CheckConstraint("id >", name="c")),
        "PostgreSQL refuses the CheckConstraint ck_t_c of t: syntax error",
    ),
    "an exclusion constraint with an expression that has no brackets": (
        table("t", lambda: ExcludeConstraint((text("id + 1"), "="), name="x", using="btree")),
        "PostgreSQL refuses the ExcludeConstraint x of t: syntax error",
    ),
    "a foreign key between types that cannot be linked": (
        table("t", lambda: Column("n", Text, ForeignKey("t.id"))),
        "PostgreSQL refuses the foreign key on n to t.id of t: foreign key constraint",
    ),
    "a bound value": (
        table("t", lambda: Column("a", Text), lambda: CheckConstraint("a <> ':name'", name="c")),
        r"the constraint ck_t_c of t has :name in its text, .*: write \\:name",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_models_is_said_in_a_line(fault: str, backend: Backend) -> None:
    say, line = FAULTS[fault]
    backend.say(say)
    for ask in (backend.revise, lambda: command.check(backend.config)):
        with pytest.raises(CommandError, match=f"^{line}") as error:
            ask()
        assert "\n" not in str(error.value)
    assert backend.files == []


def test_what_postgresql_may_refuse_is_said_in_a_remark(backend: Backend) -> None:
    backend.say(table("t"))
    backend.there_and_back()
    function = lambda: CheckConstraint("f(id)", name="c")  # noqa: E731
    index = lambda: Index("i", text("random()"))  # noqa: E731
    backend.say(table("t", function, index), table("u", lambda: Column("n", Unknown())))
    written = " ".join(backend.revise().split())
    for refused in (
        "CheckConstraint ck_t_c of t: function f(integer) does not exist",
        "Index i of t: functions in index expression must be marked IMMUTABLE",
        'column n of u: type "unknown_type" does not exist',
    ):
        assert f"REVIEW: fails as it stands: PostgreSQL refuses the {refused}" in written


def test_what_a_revision_creates_is_not_refused(backend: Backend) -> None:
    def t(*labels: str, **options: Any) -> Say:
        return table(
            "t", lambda: Column("e", Enum(*labels, name="e"), **options), lambda: Column("c", CITEXT())
        )

    for models in (t("a"), t("a", "b", server_default="b")):
        backend.say(models)
        assert "refuses" not in backend.revise(f"change{len(backend.files)}")
        command.upgrade(backend.config, "head")
        command.check(backend.config)


def test_a_fault_of_the_models_names_its_file(backend: Backend) -> None:
    base: Any = type("Base", (DeclarativeBase,), {"metadata": MetaData(naming_convention=NAMING_CONVENTION)})
    key = Column("n", Integer, ForeignKey("nowhere.id"), primary_key=True)
    made: Any = type("T", (base,), {"__tablename__": "t", "n": key, "__module__": __name__})
    backend.say()
    backend.patch.setattr(Base, "metadata", base.metadata)
    backend.patch.setattr(Base, "registry", base.registry)
    assert made.__table__ is not None
    with pytest.raises(CommandError, match=r"test_autogenerate_cases\.py: the foreign key of t\.n"):
        backend.revise()


TWICE = """from sqlalchemy import Column, Integer, Table
from database import Base
Table("twice", Base.metadata, Column("n", Integer))
Table("twice", Base.metadata, Column("n", Integer))
"""


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        (r"raise ValueError('\n  wrong\n')", "line 1: ValueError: wrong"),
        ("import sys\nsys.exit(0)\n", "line 2: SystemExit: 0"),
        ("x = (\n", r"line 1: SyntaxError: '\(' was never closed"),
        ("x = 1\0\n", "line 1: .*null bytes"),
        ("\ufeffx = 1\n".encode("utf-16-le"), "line 1: .*null bytes"),
        ("x = 'é'\n".encode("latin-1"), "line 1: SyntaxError: .*0xe9"),
        (
            TWICE,
            "line 4: InvalidRequestError: Table 'twice' is already defined",
        ),
    ],
)
def test_models_that_cannot_be_imported_are_said_in_a_line(
    source: str | bytes, says: str, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ROOT / "models" / "broken.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    try:
        monkeypatch.setattr(sound, "MODELS", "models.broken")
        backend.say()
        with pytest.raises(CommandError, match=f"^the models cannot be imported: models/broken.py, {says}"):
            command.check(backend.config)
    finally:
        path.unlink()
