"""Sample rows for any schema: what the engine makes up, and what it says where it cannot."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from migrate.sample import Described, Filled, SampleError, fill, filling
from migrate.sample.described import read
from tests.machinery.support import Database, Server, program

ROWS = 60

PREPARE = """
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION cube;
    CREATE EXTENSION btree_gist; CREATE SCHEMA "Ware House";
    CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'Happy');
    CREATE TYPE "Ware House"."Colour" AS ENUM ('red', 'green');
    CREATE DOMAIN email AS citext CHECK (VALUE ~ '^[^@\\s]+@[^@\\s]+\\.[a-z]{2,}$');
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN few AS positive CHECK (VALUE < 50);
    CREATE DOMAIN zip AS varchar(5) NOT NULL CHECK (VALUE ~ '^\\d{5}$');
    CREATE TYPE address AS (street text, zip zip, number few);
    CREATE TYPE float_range AS RANGE (subtype = float8);
"""
# Types, and whether 60 different values are expected of them.
MANY_VALUES = """
    smallint, integer, bigint, numeric, numeric(5,2), numeric(2,2), numeric(3,0), numeric(3,-1), real,
    double precision, money, text, varchar, varchar(3), varchar(50), char(7), name, citext, bytea, bit(8),
    bit varying(9), bit varying, date, time, time(0), timetz, timestamp, timestamp(0), timestamptz, interval,
    interval year to month, uuid, jsonb, inet, cidr, macaddr, macaddr8, tsvector, tsquery, int4range,
    int8range, numrange, daterange, tsrange, tstzrange, float_range, int4multirange, datemultirange,
    integer[], text[], varchar(4)[], timestamptz[], jsonb[], email, email[], positive, zip, address,
    address[], oid, pg_lsn, xid8, hstore, ltree, cube
"""
FEW_VALUES = """
    varchar(1), char, "char", boolean, mood, mood[], "Ware House"."Colour", few, json, jsonpath, point, line,
    lseg, box, path, polygon, circle, pg_snapshot, regclass
"""


def types(listed: str) -> list[str]:
    return [type_.strip() for type_ in re.split(r",\s", listed)]


@pytest.fixture(scope="module", autouse=True)
def indexes_are_built_afterwards() -> Iterator[None]:
    """Have these few rows be enough for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "WORTH", ROWS)
        yield


@pytest.fixture(scope="module")
def database(session_server: Server) -> Database:
    """A database with extensions, and types of its own."""
    database = session_server.create(kept=True)
    database.psql(PREPARE)
    return database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection to it; nothing of the test stays."""
    with database.engine.connect() as connection:
        yield connection
        connection.rollback()


def create(connection: Connection, sql: str) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(sql)


def filled(
    connection: Connection, sql: str, described: Mapping[str, Described] | None = None, rows: int = ROWS
) -> Filled:
    create(connection, sql)
    return fill(connection, rows, described or {})


def value(connection: Connection, sql: str) -> Any:
    return connection.exec_driver_sql(sql).scalar()


def test_every_type_has_values(connection: Connection) -> None:
    many = types(MANY_VALUES)
    tables = {f"t{number}": type_ for number, type_ in enumerate([*many, *types(FEW_VALUES)])}
    for name, type_ in tables.items():
        unique = f", u {type_} NOT NULL UNIQUE" if type_ in many else ""
        create(connection, f"CREATE TABLE {name} (a {type_}, b {type_} NOT NULL {unique})")
    done = fill(connection, ROWS, {})
    assert {tables[name]: reason for name, reason in done.failed.items()} == {}
    assert [tables[name] for name in tables if done[name] != ROWS] == []
    # Where NULL may be, it is now and then.
    empty = {name: value(connection, f"SELECT count(*) FROM {name} WHERE a IS NULL") for name in tables}
    assert [tables[name] for name, count in empty.items() if not 0 < count < ROWS / 2] == ["zip"]


CONSTRAINTS = [
    "a int CHECK (a > 1000)",
    "a int NOT NULL CHECK (a BETWEEN -9 AND -1)",
    "a smallint NOT NULL UNIQUE CHECK (a >= 100)",
    "a int NOT NULL CHECK (a % 10 = 0)",
    "a int NOT NULL CHECK (a IN (3, 5, 8))",
    "a real NOT NULL CHECK (a > 0 AND a < 1)",
    "a numeric(8,6) NOT NULL CHECK (a BETWEEN -90 AND 90)",
    "a text NOT NULL CHECK (a IN ('new', 'it''s sent'))",
    "a varchar(20) NOT NULL CHECK (a = ANY ('{one,two}'::text[]))",
    "a text NOT NULL UNIQUE CHECK (btrim(a) <> '' AND a !~ '\\s' AND a = lower(a))",
    "a char(2) NOT NULL CHECK (a = upper(a) AND length(a) = 2)",
    "a text NOT NULL CHECK (length(a) BETWEEN 30 AND 40)",
    "a text NOT NULL UNIQUE CHECK (a ~ '^[A-Z]{2}-\\d{4}(/[a-z]+)?$')",
    "a text NOT NULL CHECK (a LIKE 'https://%.org')",
    "a text NOT NULL CHECK (position('@' in a) > 1)",
    "a bytea NOT NULL CHECK (octet_length(a) = 20)",
    "a jsonb NOT NULL CHECK (jsonb_typeof(a) = 'array')",
    "a jsonb NOT NULL CHECK (a ? 'kind' AND jsonb_typeof(a -> 'kind') = 'string')",
    "a text[] NOT NULL CHECK (cardinality(a) >= 3)",
    "a text[] NOT NULL CHECK (cardinality(a) > 0 AND a <@ ARRAY['read', 'write'])",
    "a date NOT NULL CHECK (a < '1990-01-01')",
    "a timestamptz NOT NULL CHECK (a > now())",
    "a inet NOT NULL CHECK (a << '192.168.0.0/16')",
    "a daterange NOT NULL CHECK (NOT isempty(a) AND upper_inf(a))",
    "a email NOT NULL, UNIQUE (a)",
    "a int NOT NULL, b int NOT NULL, CHECK (a < b)",
    "a timestamptz DEFAULT now(), b timestamptz NOT NULL, CHECK (b > a)",
    "a numeric NOT NULL, b numeric NOT NULL, c numeric NOT NULL, CHECK (c = a + b)",
    "a text NOT NULL CHECK (a IN ('new', 'paid')), b date, CHECK ((a = 'paid') = (b IS NOT NULL))",
    "a int, b int, c int, CHECK (num_nonnulls(a, b, c) = 1)",
    "a int NOT NULL CHECK (a < 10), b int GENERATED ALWAYS AS (a * 2) STORED CHECK (b > 4)",
    "a int NOT NULL, b int GENERATED ALWAYS AS (a + 1) STORED UNIQUE",
    "a boolean NOT NULL DEFAULT false, b mood NOT NULL, c varchar(2) NOT NULL, UNIQUE (a, b, c)",
    "a int NOT NULL, b text, UNIQUE NULLS NOT DISTINCT (a, b)",
    "a tstzrange NOT NULL, b int NOT NULL, EXCLUDE USING gist (b WITH =, a WITH &&)",
    "a date NOT NULL, b date NOT NULL, CHECK (a < b), EXCLUDE USING gist (daterange(a, b) WITH &&)",
    "a circle NOT NULL, EXCLUDE USING gist (a WITH &&)",
    "a int NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED",
    'date date NOT NULL, "time" time, "value" int CHECK ("value" > 5), n int NOT NULL CHECK (n > 5)',
    "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "a text NOT NULL DEFAULT 'x', b uuid PRIMARY KEY DEFAULT gen_random_uuid(), c serial",
]


def test_constraints_are_obeyed(connection: Connection) -> None:
    tables = {f"t{number}": columns for number, columns in enumerate(CONSTRAINTS)}
    for name, columns in tables.items():
        create(connection, f"CREATE TABLE {name} ({columns})")
    done = fill(connection, ROWS, {})
    assert {tables[name]: reason for name, reason in done.failed.items()} == {}
    assert {tables[name]: count for name, count in done.items() if count != ROWS} == {}


@pytest.mark.parametrize(
    "index",
    [
        "(lower(a))",
        "(a) WHERE b > 5",
        "(date_trunc('day', c))",
        "(b, md5(a)) WHERE b IS NOT NULL",
        "(left(a, 3))",
    ],
)
def test_unique_indexes_over_expressions_and_of_some_rows_are_obeyed(
    index: str, connection: Connection
) -> None:
    done = filled(
        connection,
        f"CREATE TABLE t (a text NOT NULL, b int, c timestamp NOT NULL); CREATE UNIQUE INDEX ON t {index}",
    )
    assert done == {"t": ROWS}, done.failed


def test_text_is_like_what_the_column_is_called(connection: Connection) -> None:
    filled(
        connection, 'CREATE TABLE t ("E-Mail" varchar(60) UNIQUE, homepage_url text, "Title" text)', rows=1
    )
    [row] = connection.exec_driver_sql("SELECT * FROM t").all()
    assert tuple(row) == ("e_mail1@example.com", "https://example.com/homepage_url/1", "title 1")


def test_no_more_rows_than_a_unique_constraint_allows(connection: Connection) -> None:
    done = filled(
        connection,
        "CREATE TABLE one (it boolean PRIMARY KEY DEFAULT true CHECK (it));"
        "CREATE TABLE six (a boolean, b mood, PRIMARY KEY (a, b));"
        "CREATE TABLE pair (a boolean REFERENCES one, b mood, PRIMARY KEY (a, b))",
    )
    assert done == {"one": 1, "six": 6, "pair": 3}
    done = filled(connection, "CREATE TABLE t (a int UNIQUE)", {"t": Described(columns={"a": "n % 10"})})
    assert done == {"t": 10}


def test_foreign_keys_find_their_parents(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE tenant (id serial PRIMARY KEY, name citext UNIQUE NOT NULL);
        CREATE TABLE person (tenant int REFERENCES tenant, id uuid, email email NOT NULL, boss uuid,
            PRIMARY KEY (tenant, id), UNIQUE (tenant, email), FOREIGN KEY (tenant, boss) REFERENCES person);
        CREATE TABLE project (tenant int REFERENCES tenant, id bigint GENERATED ALWAYS AS IDENTITY,
            PRIMARY KEY (tenant, id));
        CREATE TABLE member (tenant int, person uuid, project bigint, PRIMARY KEY (tenant, person, project),
            FOREIGN KEY (tenant, person) REFERENCES person, FOREIGN KEY (tenant, project) REFERENCES project);
        CREATE TABLE profile (tenant int, person uuid UNIQUE, FOREIGN KEY (tenant, person) REFERENCES person);
        CREATE TABLE tag (id int PRIMARY KEY, name varchar(12) NOT NULL UNIQUE);
        CREATE TABLE tagged (tag varchar(12) REFERENCES tag (name), tenant int, project bigint,
            PRIMARY KEY (tag, tenant, project), FOREIGN KEY (tenant, project) REFERENCES project);
        CREATE TABLE line (project bigint, tenant int, number smallint, PRIMARY KEY (tenant, project, number),
            FOREIGN KEY (tenant, project) REFERENCES project);
        CREATE TABLE transfer (a int NOT NULL REFERENCES tag, b int NOT NULL REFERENCES tag, CHECK (a <> b));
        CREATE TABLE note (tag int REFERENCES tag, tenant int REFERENCES tenant, text text,
            CHECK (num_nonnulls(tag, tenant) = 1));
        """,
    )
    assert done.failed == {}
    assert set(done.values()) == {ROWS}
    assert value(connection, "SELECT count(boss) FROM person") > ROWS / 3
    assert value(connection, "SELECT max(number) FROM line") == 3
    # As in life: some parents have most of the rows, and some have none.
    children = "SELECT count(p.id) FROM tenant t LEFT JOIN person p ON p.tenant = t.id GROUP BY t.id"
    counts = connection.exec_driver_sql(children).scalars().all()
    assert min(counts) == 0
    assert max(counts) > 5


def test_a_table_that_refers_to_itself_has_roots_and_two_generations(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE optional (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            parent int REFERENCES optional);
        CREATE TABLE needed (id bigserial PRIMARY KEY, parent bigint NOT NULL REFERENCES needed,
            place int, UNIQUE (parent, place));
        """,
    )
    assert done == {"needed": ROWS, "optional": ROWS}, done.failed
    grandchildren = """
        SELECT count(*) FROM {0} AS c JOIN {0} AS p ON p.id = c.parent JOIN {0} AS g ON g.id = p.parent
        WHERE p.id <> g.id
    """
    assert value(connection, grandchildren.format("optional"))
    assert value(connection, grandchildren.format("needed"))


def test_tables_that_refer_to_each_other_do(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE company (id serial PRIMARY KEY, head_office int);
        CREATE TABLE office (id serial PRIMARY KEY, company int NOT NULL REFERENCES company);
        ALTER TABLE company ADD FOREIGN KEY (head_office) REFERENCES office;
        CREATE TABLE chicken (id serial PRIMARY KEY, egg int NOT NULL UNIQUE);
        CREATE TABLE egg (id serial PRIMARY KEY, chicken int NOT NULL REFERENCES chicken);
        ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE;
        """,
    )
    assert set(done.values()) == {ROWS}, done.failed
    assert value(connection, "SELECT count(head_office) FROM company") == ROWS
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_every_partition_gets_rows(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now(),
            PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2030-01-01') TO ('2030-02-01');
        CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2030-02-01') TO ('2030-03-01');
        CREATE TABLE entry (log bigint, at timestamptz, FOREIGN KEY (log, at) REFERENCES log);
        CREATE TABLE region (region text, day date, key int, PRIMARY KEY (region, day, key))
            PARTITION BY LIST (region);
        CREATE TABLE region_eu PARTITION OF region FOR VALUES IN ('de', 'fr') PARTITION BY RANGE (day);
        CREATE TABLE region_eu_1 PARTITION OF region_eu FOR VALUES FROM ('2025-01-01') TO ('2025-01-03');
        CREATE TABLE region_eu_2 PARTITION OF region_eu DEFAULT;
        CREATE TABLE region_rest PARTITION OF region DEFAULT PARTITION BY HASH (key);
        CREATE TABLE region_rest_0 PARTITION OF region_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE hashed (id uuid PRIMARY KEY) PARTITION BY HASH (id);
        CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE counted (id bigserial PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE counted_1 PARTITION OF counted FOR VALUES FROM (1) TO (100);
        CREATE TABLE counted_2 PARTITION OF counted FOR VALUES FROM (100) TO (1000);
        """,
    )
    assert set(done.values()) == {ROWS}, done.failed
    leaves = connection.exec_driver_sql("SELECT relid::regclass::text FROM pg_class, pg_partition_tree(oid) "
        "WHERE relkind = 'p' AND NOT relispartition AND isleaf")  # fmt: skip
    assert [name for (name,) in leaves.all() if not value(connection, f"SELECT count(*) FROM {name}")] == []
    # The sequence goes on after the last.
    connection.exec_driver_sql(f"INSERT INTO counted SELECT FROM generate_series(1, {ROWS})")


def test_any_name_in_any_schema_is_a_name(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE "Ware House"."order" ("Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            "select" text NOT NULL UNIQUE, "we""ird 'n'" varchar(12) NOT NULL CHECK ("we""ird 'n'" <> ''),
            "%s" "Ware House"."Colour", ":x" int);
        CREATE TABLE "Order Line" ("order" int REFERENCES "Ware House"."order",
            n int REFERENCES "Ware House"."order", k int);
        SET LOCAL search_path = public, "Ware House";
        """,
    )
    assert done == {"Ware House.order": ROWS, "Order Line": ROWS}, done.failed
    assert value(connection, "SHOW search_path") == 'public, "Ware House"'


def test_tables_of_extensions_alembic_and_the_session_are_left_alone(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
        CREATE TABLE extended (id int); ALTER EXTENSION citext ADD TABLE extended;
        CREATE TEMPORARY TABLE temporary (id int); CREATE VIEW view AS SELECT 1 AS id;
        CREATE TABLE parent (id int); CREATE TABLE child (more text) INHERITS (parent);
        """,
    )
    assert done == {"child": ROWS, "parent": ROWS}


def test_a_table_with_rows_keeps_them_and_its_children_find_them(connection: Connection) -> None:
    done = filled(
        connection,
        "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept SELECT generate_series(7, 5000);"
        "CREATE TABLE child (id serial, kept int NOT NULL REFERENCES kept, at timestamptz NOT NULL)",
    )
    assert done == {"child": ROWS}
    assert value(connection, "SELECT count(*) FROM kept") == 4994
    # However the parents were joined, the rows were inserted in their order.
    assert value(connection, "SELECT array_agg(at ORDER BY id) = array_agg(at ORDER BY at) FROM child")


def test_the_rows_are_the_same_every_time(connection: Connection) -> None:
    sql = """
        CREATE TABLE b (id serial PRIMARY KEY, at timestamptz DEFAULT now(),
            key uuid DEFAULT gen_random_uuid());
        CREATE TABLE a (id serial PRIMARY KEY, b int NOT NULL REFERENCES b, a int REFERENCES a,
            at timestamptz DEFAULT clock_timestamp())
    """
    rows = []
    for _ in range(2):
        with connection.begin_nested() as savepoint:
            filled(connection, sql)
            joined = "SELECT array_agg(a::text || b::text ORDER BY a.id) FROM a JOIN b ON a.b = b.id"
            rows.append(value(connection, joined))
            savepoint.rollback()
    assert rows[0] == rows[1]


def test_indexes_are_built_afterwards_as_they_were(connection: Connection) -> None:
    """But not those that have a purpose or a property beside that, or that the rows would not allow."""
    sql = """
        CREATE TABLE t (id serial PRIMARY KEY, a text UNIQUE, b int, c int, d int, e int, g int);
        CREATE INDEX plain ON t USING gin (to_tsvector('simple', a)) WITH (fastupdate = off) WHERE b > 0;
        CREATE INDEX "of Two" ON t (c DESC NULLS LAST, b) INCLUDE (d);
        CREATE INDEX explained ON t (d); COMMENT ON INDEX explained IS 'why';
        CREATE INDEX counted ON t ((e + 1)); ALTER INDEX counted ALTER COLUMN 1 SET STATISTICS 500;
        CREATE INDEX ordered ON t (g); CLUSTER t USING ordered;
        CREATE TABLE later (t int REFERENCES t DEFERRABLE INITIALLY DEFERRED, n int);
        CREATE INDEX n ON later (n);
        CREATE TABLE hard (id int PRIMARY KEY, n int CHECK (n >= 0), m int); CREATE INDEX m ON hard (m);
        CREATE FUNCTION odd(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
            $$ BEGIN IF $1 % 2 = 0 THEN RAISE 'even' USING ERRCODE = 'P0001'; END IF; RETURN $1; END $$
    """
    definitions = """
        SELECT array_agg(pg_get_indexdef(indexrelid) || indisclustered ORDER BY pg_get_indexdef(indexrelid))
        FROM pg_index WHERE indrelid IN ('t'::regclass, 'later'::regclass, 'hard'::regclass)
    """
    oids = """
        SELECT array_agg(oid ORDER BY oid) FROM pg_class
        WHERE relname IN ('explained', 'counted', 'ordered', 'n')
    """
    create(connection, sql)
    before, kept = value(connection, definitions), value(connection, oids)
    assert fill(connection, ROWS, {}) == {"t": ROWS, "later": ROWS, "hard": ROWS}
    assert value(connection, definitions) == before
    assert value(connection, oids) == kept
    create(connection, "TRUNCATE hard; CREATE INDEX unwilling ON hard (odd(id))")
    done = fill(connection, ROWS, {})
    assert done.failed["hard"].startswith("even")
    assert value(connection, "SELECT to_regclass('unwilling')") is not None


def test_a_row_costs_no_statement(connection: Connection) -> None:
    sql = """
        CREATE TABLE p (id int PRIMARY KEY, a text CHECK (length(a) > 9));
        CREATE TABLE c (p int NOT NULL REFERENCES p)
    """
    counts = []
    statements: list[str] = []
    event.listen(
        connection, "before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement)
    )
    for rows in (100, 10_000):
        with connection.begin_nested() as savepoint:
            statements.clear()
            assert filled(connection, sql, rows=rows) == {"p": rows, "c": rows}
            counts.append(len(statements))
            savepoint.rollback()
    assert counts[0] == counts[1]


def test_triggers_run_and_may_write_first(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE source (id int PRIMARY KEY, doubled int); CREATE TABLE twin (id int PRIMARY KEY);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.doubled := NEW.id * 2; INSERT INTO twin VALUES (NEW.id); RETURN NEW; END';
        CREATE TRIGGER t BEFORE INSERT ON source FOR EACH ROW EXECUTE FUNCTION f();
        """,
    )
    assert done == {"source": ROWS, "twin": ROWS}
    assert value(connection, "SELECT bool_and(doubled = id * 2) FROM source")


IMPOSSIBLE = """
    CREATE TABLE secret (id int PRIMARY KEY,
        word text NOT NULL CONSTRAINT riddle CHECK (md5(word) = md5(reverse('emases'))));
    CREATE TABLE needs (id int PRIMARY KEY, secret int NOT NULL CONSTRAINT link REFERENCES secret);
    CREATE TABLE may (id int PRIMARY KEY, secret int REFERENCES secret);
    CREATE TABLE guarded (v int NOT NULL);
    CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RAISE ''v is wrong'' USING ERRCODE = ''25006''; END';
    CREATE TRIGGER t BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION g();
    CREATE TABLE east (id int PRIMARY KEY, west int NOT NULL);
    CREATE TABLE west (id int PRIMARY KEY, east int NOT NULL REFERENCES east);
    ALTER TABLE east ADD CONSTRAINT gone FOREIGN KEY (west) REFERENCES west;
    CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL);
    CREATE TABLE egg (id int PRIMARY KEY CHECK (id < 0 AND id > 0), hen int NOT NULL REFERENCES hen);
    ALTER TABLE hen ADD CONSTRAINT later FOREIGN KEY (egg) REFERENCES egg DEFERRABLE;
"""


def test_a_table_that_cannot_be_filled_is_named_and_the_others_are_filled(connection: Connection) -> None:
    done = filled(connection, IMPOSSIBLE)
    assert done == {"may": ROWS}
    assert value(connection, "SELECT count(secret) FROM may") == 0
    assert done.failed.keys() == {"secret", "needs", "guarded", "east", "west", "hen", "egg"}
    assert '"riddle"' in done.failed["secret"]
    assert "md5(" in done.failed["secret"]
    assert "models/sample.py" in done.failed["secret"]
    assert done.failed["needs"] == 'foreign key "link" needs rows of secret, which has none'
    assert done.failed["guarded"].startswith("v is wrong")
    assert '"gone"' in done.failed["east"]
    assert '"later"' in done.failed["hen"]
    assert all("\n" not in reason for reason in done.failed.values())


def test_one_line_in_models_sample_fills_it(connection: Connection) -> None:
    said = {"secret": Described(columns={"word": "'sesame'"})}
    done = filled(connection, IMPOSSIBLE, said)
    assert done.items() >= {"secret": ROWS, "needs": ROWS, "may": ROWS}.items()
    assert value(connection, "SELECT count(secret) FROM may") > ROWS / 2


def test_what_models_sample_says_is_done(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE t (id serial PRIMARY KEY, name varchar(9) NOT NULL, kind text NOT NULL DEFAULT 'plain',
            note text, doc jsonb);
        CREATE TABLE "Ware House".t (id int PRIMARY KEY); CREATE TABLE none (id int);
        """,
        {
            "t": Described(
                share=0.5,
                columns={"name": "'nr ' || n", "kind": "'100%s'", "note": None, "gone": "1"},
                awkward=[
                    {"id": 900, "name": "", "doc": {"a": [None]}, "gone": 1},
                    {"kind": "else"},
                    {"name": "much too long"},
                    {"doc": "no json"},
                ],
            ),
            "Ware House.t": Described(share=2),
            "none": Described(share=0),
        },
    )
    assert done == {"t": ROWS / 2 + 2, "Ware House.t": ROWS * 2}, done.failed
    assert value(connection, "SELECT array_agg(DISTINCT kind ORDER BY kind) FROM t") == [
        "100%s",
        "else",
        "plain",
    ]
    assert value(connection, "SELECT count(note) FROM t") == 0
    assert value(connection, "SELECT name FROM t WHERE id = 3") == "nr 3"
    assert value(connection, "SELECT doc ->> 'a' FROM t WHERE id = 900") == "[null]"
    assert value(connection, "SELECT name FROM t WHERE kind = 'else'") == f"nr {ROWS // 2 + 2}"
    assert value(connection, "INSERT INTO t (name) VALUES ('next') RETURNING id") == 901


def test_a_parent_that_models_sample_gets_wrong_is_chosen_by_the_engine(connection: Connection) -> None:
    done = filled(
        connection,
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (7);"
        "CREATE TABLE c (p int NOT NULL REFERENCES p, x text)",
        {"c": Described(columns={"p": "n", "x": "'x'"})},
    )
    assert done == {"c": ROWS}
    assert value(connection, "SELECT array_agg(DISTINCT x || p) FROM c") == ["x7"]


def test_a_key_that_has_its_value_already_is_left_alone(connection: Connection) -> None:
    done = filled(
        connection,
        """
        CREATE TABLE p (a int, b int UNIQUE, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 8), (2, 9);
        CREATE TABLE none (a int, b int, c int CHECK (c < 0 AND c > 0), PRIMARY KEY (a, b, c));
        CREATE TABLE c (given int NOT NULL DEFAULT 9 REFERENCES p (b), a int, b int NOT NULL, c int NOT NULL,
            d int NOT NULL, FOREIGN KEY (a, b, c) REFERENCES none, FOREIGN KEY (a, d) REFERENCES p);
        """,
        {"c": Described(columns={"given": None})},
    )
    assert done == {"c": ROWS}, done.failed
    assert value(connection, "SELECT array_agg(DISTINCT (given, a)::text) FROM c") == ["(9,)"]


def test_an_error_in_models_sample_is_told_with_the_table(connection: Connection) -> None:
    done = filled(connection, "CREATE TABLE t (a int)", {"t": Described(columns={"a": "no_such_thing + 1"})})
    assert done.failed == {
        "t": 'column "no_such_thing" does not exist; give SQL for its columns in models/sample.py'
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("TABLES = {'a': {'colums': {}}}", "'a' has colums: there may be awkward, columns, share"),
        ("TABLES = {'a': {'columns': {'age': 18}}}", "a.age is 18: give an SQL expression"),
        ("TABLES = {'a': {'columns': ['age']}}", "columns of a is ['age']: give a mapping"),
        ("TABLES = {'a': {'share': 'many'}}", "share of a is 'many': give a number"),
        ("TABLES = {'a': {'share': -1}}", "share of a is -1: give a number, 0 or more"),
        ("TABLES = {'a': {'share': float('nan')}}", "share of a is nan: give a number"),
        ("TABLES = {'a': {'awkward': {'age': 18}}}", "awkward of a is {'age': 18}: give a list"),
        ("TABLES = {'a': {'awkward': ['age']}}", "awkward of a is ['age']: give a list"),
        ("TABLES = {'a': ['age']}", "a is ['age']: give a mapping"),
        ("TABLES = ['a']", "TABLES is ['a']: give a mapping"),
        ("raise SystemExit('no')", "models/sample.py cannot be run: SystemExit"),
        ("TABLES = {", "models/sample.py cannot be run: SyntaxError"),
        ("import no_such_module", "models/sample.py cannot be run: ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_one_line(content: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    path = tmp_path / "models/sample.py"
    path.write_text(content)
    with pytest.raises(SampleError) as caught:
        read([path, tmp_path / "models/past.py"])
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_role_fills_what_it_may(connection: Connection) -> None:
    create(
        connection,
        """
        CREATE ROLE sampler; CREATE TABLE mine (id int); CREATE TABLE yours (id int);
        GRANT SELECT, INSERT ON mine TO sampler; GRANT SELECT ON yours TO sampler; SET LOCAL ROLE sampler
        """,
    )
    done = fill(connection, ROWS, {})
    assert done == {"mine": ROWS}
    assert done.failed == {"yours": "this role may not insert into it"}


def test_a_server_that_gives_up_is_not_taken_for_a_refusal(connection: Connection) -> None:
    create(connection, "CREATE TABLE t (a text); SET LOCAL statement_timeout = 100")
    with pytest.raises(OperationalError, match="statement timeout"):
        fill(connection, 1, {"t": Described(columns={"a": "pg_sleep(60)::text"})})


def test_the_command_says_what_it_filled_and_what_not(empty: Database) -> None:
    empty.execute("CREATE TABLE good (id int)")
    done = program("migrate", "sample", "--rows", "5", url=empty.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "good            5 rows\n", "")
    empty.execute("CREATE TABLE bad (id int NOT NULL CHECK (id < 0 AND id > 0))")
    done = program("migrate", "sample", "--rows", "5", url=empty.url)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith('not filled: bad: no value that was tried fits "bad_id_check"')


COLUMNS = st.sampled_from([*types(MANY_VALUES), *types(FEW_VALUES)])
ADDED = st.sampled_from(["", "NOT NULL", "NOT NULL", "UNIQUE", "NOT NULL UNIQUE"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.tuples(COLUMNS, ADDED), min_size=1, max_size=5), min_size=1, max_size=4), st.data()
)
def test_tables_of_any_columns_and_keys_are_filled(
    connection: Connection, tables: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    parents = [data.draw(st.none() | st.integers(0, len(tables) - 1)) for _ in tables]
    with connection.begin_nested() as savepoint:
        for number, columns in enumerate(tables):
            listed = ["id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "parent int"]
            for place, (type_, added) in enumerate(columns):
                unique = added if type_ in types(MANY_VALUES) else added.replace("UNIQUE", "")
                listed.append(f"c{place} {type_} {unique}")
            create(connection, f"CREATE TABLE t{number} ({', '.join(listed)})")
        for number, parent in enumerate(parents):
            if parent is not None:
                create(connection, f"ALTER TABLE t{number} ADD FOREIGN KEY (parent) REFERENCES t{parent}")
        done = fill(connection, ROWS, {})
        savepoint.rollback()
    assert done.failed == {}
    assert set(done.values()) == {ROWS}
