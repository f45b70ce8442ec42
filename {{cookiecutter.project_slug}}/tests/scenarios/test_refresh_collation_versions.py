"""After an upgrade of the operating system: indexes on text are in its order, and versions are recorded."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from postgres.client import parameters
from postgres.errors import ClientError
from tests.support import BY_SLUG, Database, Make, Server, offline_script

STEPS = ["reindex_review_topic_names", "refresh_collation_versions"]
INDEX = "uq_review_topics_name_lower"
VERSION = "SELECT collversion, pg_collation_actual_version(oid) FROM pg_collation WHERE oid = :oid"
OF_DATABASE = """
    SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
    WHERE datname = current_database()
"""


def queries() -> list[str]:
    """Return the queries of the docstring, which show indexes on text, and whether one is out of order."""
    parts = BY_SLUG[STEPS[0]].script.longdoc.split("\n\n")
    [block] = [part for part in parts if part.startswith("    SELECT")]
    return [query.strip() for query in block.split(";")]


def test_the_index_is_built_anew_while_code_writes(before: Make) -> None:
    database = before(STEPS[0])
    file = database.value(f"SELECT pg_relation_filenode('{INDEX}')")
    with database.engine.connect() as code:
        code.execute(text("INSERT INTO review_topics (name) VALUES ('meanwhile')"))
        with database.while_it_waits(STEPS[0]):
            database.insert("review_topics", name="and another")
            code.commit()
    assert database.value(f"SELECT pg_relation_filenode('{INDEX}')") != file
    assert database.value(f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass")
    assert database.query("SELECT FROM pg_index WHERE NOT indisvalid") == []


def test_the_query_shows_the_indexes_on_text_and_no_others(before: Make) -> None:
    database = before(STEPS[0])
    shown = {str(index) for index in database.column(queries()[0].replace("::regclass", "::regclass::text"))}
    assert {INDEX, "ex_review_shifts_desk", "uq_users_email"} <= shown
    assert not {"pk_review_topics", "pk_users", "idx_review_shifts_user_id"} & shown


def test_an_index_in_order_is_said_to_be(before: Make) -> None:
    database = before(STEPS[0])
    database.execute("CREATE EXTENSION amcheck")
    database.query(queries()[1])


def test_an_exclusion_constraint_is_left_out_with_a_warning(before: Make) -> None:
    database = before(STEPS[0])
    file = "SELECT pg_relation_filenode('ex_review_shifts_desk')"
    was, said = database.value(file), []
    with psycopg.connect(**parameters(database.url), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(notice.message_primary))
        connection.execute("REINDEX TABLE CONCURRENTLY review_shifts")
    assert any("ex_review_shifts_desk" in str(line) and "skipping" in str(line) for line in said)
    assert database.value(file) == was
    database.execute("REINDEX INDEX ex_review_shifts_desk")
    assert database.value(file) != was


def versioned(database: Database) -> list[tuple[int, str]]:
    """Return two collations that have versions, by oid and name; the test is skipped where there are none."""
    found = database.query(
        "SELECT CAST(oid AS bigint), CAST(oid AS regcollation)::text FROM pg_collation "
        "WHERE collversion IS NOT NULL AND collname <> 'ucs_basic' ORDER BY pg_collation.oid LIMIT 2"
    )
    if len(found) < 2:
        pytest.skip("this server knows no collation that has a version")
    return [(oid, name) for oid, name in found]


def test_only_versions_of_collations_that_an_index_uses_are_recorded(before: Make) -> None:
    database = before(STEPS[1])
    (used, name), (unused, _) = versioned(database)
    database.execute(f"CREATE INDEX by_rules ON review_topics (name COLLATE {name})")
    database.execute(
        "UPDATE pg_collation SET collversion = '0' WHERE oid IN (:used, :unused)", used=used, unused=unused
    )
    database.upgrade(STEPS[1])
    [(recorded, actual)] = database.query(VERSION, oid=used)
    assert recorded == actual != "0"
    assert database.query(VERSION, oid=unused)[0][0] == "0"


HAS_ICU = "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')"
# A database whose own collation has a version, as ICU's and those of glibc have.
ICU = "LOCALE_PROVIDER icu ICU_LOCALE '{}'"
BUILTIN = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"
TOPICS = f"""
    CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
    CREATE TABLE review_topics (name varchar(100));
    CREATE UNIQUE INDEX {INDEX} ON review_topics (lower(name));
    INSERT INTO review_topics SELECT chr(97 + n / 10) || n FROM generate_series(1, 250) AS n;
    INSERT INTO review_topics VALUES ('ä'), ('z'), ('zz'), ('å'), ('ö');
"""


@pytest.fixture
def sorted_database(server: Server) -> Database:
    """A database with one table, sorted by a locale that has a version: Swedish of ICU, or the server's."""
    database = server.create()
    name = database.url.database
    has_icu = database.value(HAS_ICU)
    if not has_icu and database.value("SELECT current_setting('server_version_num')::integer < 170000"):
        pytest.skip("this server knows no locale that has a version")
    outside = server.create()
    with psycopg.connect(**parameters(outside.url), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')
        locale = ICU.format("sv") if has_icu else BUILTIN
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 {locale}')
    database.psql(TOPICS)
    return database


def run(database: Database, slug: str) -> None:
    """Run the script of one revision on a database that has none of the chain's others."""
    database.execute("DELETE FROM alembic_version")
    [parent] = BY_SLUG[slug].parents
    database.execute("INSERT INTO alembic_version VALUES (:parent)", parent=parent)
    database.psql(offline_script(BY_SLUG[slug], "upgrade"))


def test_the_version_of_the_database_itself_is_recorded(sorted_database: Database) -> None:
    database = sorted_database
    database.execute("UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()")
    run(database, STEPS[1])
    [(recorded, actual)] = database.query(OF_DATABASE)
    assert recorded == actual != "0"


@pytest.fixture
def disordered(sorted_database: Database) -> Database:
    """A database whose index was sorted by the rules of Swedish, and which now sorts by German ones."""
    database = sorted_database
    if not database.value(HAS_ICU):
        pytest.skip("this server is built without ICU, and sorts by one order only")
    column = database.value(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'pg_database'::regclass "
        "AND attname IN ('daticulocale', 'datlocale')"
    )
    database.execute(f"UPDATE pg_database SET {column} = 'de' WHERE datname = current_database()")
    database.execute("CREATE EXTENSION amcheck")
    return database


def test_after_another_order_a_row_is_missed_and_taken_again_until_the_index_is_built_anew(
    disordered: Database,
) -> None:
    database = disordered
    assert by_index_finds(database) == 0
    with pytest.raises(DBAPIError, match="item order invariant violated"):
        database.query(queries()[1])
    run(database, STEPS[0])
    assert by_index_finds(database) == 1
    database.query(queries()[1])
    with pytest.raises(DBAPIError, match=INDEX):
        database.execute("INSERT INTO review_topics VALUES ('Ä')")


def by_index_finds(database: Database) -> int:
    """Return how many rows an index scan finds of one that is there."""
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        return int(connection.scalar(text("SELECT count(*) FROM review_topics WHERE lower(name) = 'ä'")))


def test_a_row_that_is_there_twice_meanwhile_stops_the_rebuild(disordered: Database) -> None:
    database = disordered
    database.execute("INSERT INTO review_topics VALUES ('Ä')")  # accepted by the index in the old order
    with pytest.raises(ClientError, match="could not create unique index"):
        run(database, STEPS[0])
    database.execute("DELETE FROM review_topics WHERE name = 'Ä'")
    run(database, STEPS[0])
    assert by_index_finds(database) == 1
