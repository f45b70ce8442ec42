"""Names that differ in case only: an index on lower(), beside citext and a collation of ICU."""

from dataclasses import dataclass

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support import BY_SLUG, Database, Make

SLUG = "unique_review_topic_name_in_any_case"
COLLATION = "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"


@dataclass(frozen=True)
class Way:
    """One way to leave case aside: what it takes, its unique index, and how a query asks for a name."""

    type: str
    key: str = "name"
    asks: str = "name = :name"
    setup: str = "SELECT"


WAYS = {
    "lower": Way("text", "lower(name)", "lower(name) = lower(:name)"),
    "citext": Way("citext", setup="CREATE EXTENSION citext"),
    "collation": Way("text COLLATE any_case", setup=COLLATION),
}
HAS_ICU = "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')"


def make(database: Database, name: str) -> Way:
    """Make the table `topics` one way. Where the server is built without ICU, the test is skipped."""
    way = WAYS[name]
    if name == "collation" and not database.value(HAS_ICU):
        pytest.skip("this server is built without ICU")
    database.execute(way.setup)
    database.execute(f"CREATE TABLE topics (name {way.type})")
    database.execute(f"CREATE UNIQUE INDEX ON topics ({way.key})")
    return way


def finds(database: Database, way: Way, stored: str, name: str) -> bool:
    """Whether a query for a name finds the stored one."""
    database.execute("DELETE FROM topics")
    database.execute("INSERT INTO topics VALUES (:stored)", stored=stored)
    return bool(database.value(f"SELECT count(*) FROM topics WHERE {way.asks}", name=name))


def test_a_name_in_capitals_is_refused_and_another_is_not(after: Make) -> None:
    database = after(SLUG)
    database.insert("review_topics", name="Invoices")
    for name in ("INVOICES", "invoices", "Invoices"):
        with pytest.raises(IntegrityError, match="uq_review_topics_name_lower"):
            database.insert("review_topics", name=name)
    database.insert("review_topics", name="Invoices ")


def test_names_that_are_there_twice_stop_it_and_the_query_finds_them(before: Make) -> None:
    database = before(SLUG)
    twins = [database.insert("review_topics", name=name) for name in ("Passports", "PASSPORTS")]
    with pytest.raises(IntegrityError, match="passports"):
        database.upgrade(SLUG)
    [query] = [line.strip() for line in BY_SLUG[SLUG].script.longdoc.splitlines() if "GROUP BY" in line]
    [(name, ids)] = database.query(query)
    assert (name, sorted(ids)) == ("passports", sorted(twins))
    database.execute("UPDATE review_topics SET name = 'Passports (2)' WHERE id = :id", id=twins[1])
    database.upgrade(SLUG)


def test_the_index_serves_a_query_that_says_lower_and_no_other(after: Make) -> None:
    database = after(SLUG)
    database.insert_many("review_topics", 5000, name="'Other topic ' || n")
    database.execute("ANALYZE review_topics")
    query = "SELECT id FROM review_topics WHERE {} = '{}'"
    assert "uq_review_topics_name_lower" in database.plan(query.format("lower(name)", "other topic 7"))
    assert "uq_review_topics_name_lower" not in database.plan(query.format("name", "Other topic 7"))


@pytest.mark.parametrize("name", WAYS)
def test_each_way_finds_a_name_and_refuses_it_again(empty: Database, name: str) -> None:
    way = make(empty, name)
    assert finds(empty, way, "Invoices", "INVOICES")
    with pytest.raises(IntegrityError):
        empty.execute("INSERT INTO topics VALUES ('iNVOICES')")
    assert not finds(empty, way, "Resume", "Résumé")


@pytest.mark.parametrize("name", WAYS)
def test_no_way_makes_one_of_strasse_and_its_capitals(empty: Database, name: str) -> None:
    assert not finds(empty, make(empty, name), "Straße", "STRASSE")


def test_postgresql_18_folds_case_as_unicode_does(empty: Database) -> None:
    if empty.value("SELECT current_setting('server_version_num')::integer < 180000"):
        pytest.skip("casefold() came with PostgreSQL 18")
    fold = "casefold('{}' COLLATE pg_unicode_fast)"
    assert empty.value(f"SELECT {fold.format('Straße')} = {fold.format('STRASSE')}")


@pytest.mark.parametrize(("name", "found"), [("lower", False), ("citext", False), ("collation", True)])
def test_a_value_of_type_text_makes_case_count_again_but_for_the_collation(
    empty: Database, name: str, *, found: bool
) -> None:
    make(empty, name)
    empty.execute("INSERT INTO topics VALUES ('Invoices')")
    query = "SELECT count(*) FROM topics WHERE name = CAST('INVOICES' AS text)"
    assert bool(empty.value(query)) is found


@pytest.mark.parametrize(("name", "matches"), [("lower", False), ("citext", True), ("collation", True)])
def test_like_minds_case_ignores_it_or_fails(empty: Database, name: str, *, matches: bool) -> None:
    make(empty, name)
    empty.execute("INSERT INTO topics VALUES ('Invoices')")
    like = "SELECT count(*) FROM topics WHERE name LIKE 'INV%'"
    if name == "collation" and empty.value("SELECT current_setting('server_version_num')::integer < 180000"):
        with pytest.raises(DBAPIError, match="not supported for LIKE"):
            empty.value(like)
    else:
        assert bool(empty.value(like)) is matches


@pytest.mark.parametrize("name", ["citext", "collation"])
def test_the_change_of_a_type_builds_each_index_anew_under_the_lock(empty: Database, name: str) -> None:
    empty.execute("CREATE TABLE old (name text); CREATE INDEX old_name ON old (name)")
    way = make(empty, name)
    files = "SELECT pg_relation_filenode('old'), pg_relation_filenode('old_name')"
    [(table, index)] = empty.query(files)
    empty.execute(f"ALTER TABLE old ALTER COLUMN name TYPE {way.type}")
    [(table_after, index_after)] = empty.query(files)
    assert table_after == table
    assert index_after != index


def test_the_change_of_the_column_here_would_build_nothing_but_its_index(before: Make) -> None:
    database = before(SLUG)
    database.execute("CREATE EXTENSION citext")
    file = "SELECT pg_relation_filenode('review_topics')"
    was = database.value(file)
    database.execute("ALTER TABLE review_topics ALTER COLUMN name TYPE citext")
    assert database.value(file) == was
