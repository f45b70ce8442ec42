"""An extension takes the version that the server has installed."""

from tests.support import Database, Make

VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'pg_trgm'"
DEFAULT = "SELECT default_version FROM pg_available_extensions WHERE name = 'pg_trgm'"
INDEX = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_documents_title_trigram')"


def behind(database: Database) -> Database:
    """Return a database whose extension is of an older server, with the index that uses it."""
    create = database.value("SELECT pg_get_indexdef(to_regclass('idx_documents_title_trigram'))")
    database.execute("DROP EXTENSION pg_trgm CASCADE")
    database.execute("CREATE EXTENSION pg_trgm VERSION '1.4'")
    database.execute(create)
    return database


def test_what_is_behind_comes_up_and_its_index_stays(before: Make) -> None:
    database = behind(before("update_pg_trgm"))
    assert database.value(VERSION) == "1.4"
    oid = database.value("SELECT 'idx_documents_title_trigram'::regclass::oid")
    database.upgrade("update_pg_trgm")
    assert database.value(VERSION) == database.value(DEFAULT) != "1.4"
    assert database.value(INDEX)
    assert database.value("SELECT 'idx_documents_title_trigram'::regclass::oid") == oid


def test_what_is_up_to_date_stays_as_it_is(before: Make) -> None:
    database = before("update_pg_trgm")
    schema, version = database.schema(), database.value(VERSION)
    database.upgrade("update_pg_trgm")
    assert (database.schema(), database.value(VERSION)) == (schema, version)
