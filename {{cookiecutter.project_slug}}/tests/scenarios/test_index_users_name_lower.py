"""An index of expressions: names, whatever their case."""

import pytest

from tests.support import Database, Make

SEARCH = "SELECT first_name, last_name FROM users WHERE lower(last_name) = lower('Turing')"


@pytest.fixture
def database(before: Make) -> Database:
    """Twenty thousand users, three of whom have the name that is searched for."""
    database = before("index_users_name_lower")
    for first, last in [("Alan", "Turing"), ("ALAN", "TURING"), ("dermot", "turing")]:
        database.insert("users", first_name=first, last_name=last)
    database.insert_many("users", 20000, first_name="'First' || n % 100", last_name="'Last' || n % 5000")
    database.execute("ANALYZE users")
    return database


def test_the_index_finds_a_name_in_any_case(database: Database) -> None:
    assert "idx_users_name_lower" not in database.plan(SEARCH)
    database.upgrade("index_users_name_lower")
    assert "idx_users_name_lower" in database.plan(SEARCH)
    assert sorted(database.query(SEARCH)) == [
        ("ALAN", "TURING"),
        ("Alan", "Turing"),
        ("dermot", "turing"),
    ]
    both = SEARCH + " AND lower(first_name) = 'alan'"
    assert "idx_users_name_lower" in database.plan(both)
    assert len(database.query(both)) == 2


@pytest.mark.parametrize("condition", ["last_name = 'Turing'", "last_name ILIKE 'turing'"])
def test_a_query_with_another_expression_does_not_use_it(database: Database, condition: str) -> None:
    database.upgrade("index_users_name_lower")
    assert "idx_users_name_lower" not in database.plan(f"SELECT * FROM users WHERE {condition}")


def test_the_planner_has_statistics_about_the_expressions(database: Database) -> None:
    known = "SELECT attname FROM pg_stats WHERE tablename = 'idx_users_name_lower' ORDER BY 1"
    database.execute("CREATE INDEX idx_users_name_lower ON users (lower(last_name), lower(first_name))")
    assert database.column(known) == []
    database.upgrade("index_users_name_lower")
    assert database.column(known) == ["lower", "lower1"]
