"""The rows of one table are there for a subscriber, and the code that writes them goes on."""

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Make

UPDATE = "UPDATE documents SET title = title"


@pytest.fixture
def database(after: Make) -> Database:
    return after("publish_documents")


def test_it_publishes_that_table_alone_and_each_kind_of_change(database: Database) -> None:
    assert database.column("SELECT DISTINCT tablename::text FROM pg_publication_tables") == ["documents"]
    kinds = "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication"
    assert database.value(kinds)


def test_without_its_key_the_table_refuses_what_the_application_does(database: Database) -> None:
    assert database.execute(UPDATE)
    database.execute("ALTER TABLE documents DROP CONSTRAINT pk_documents CASCADE")
    with pytest.raises(DBAPIError, match="does not have a replica identity and publishes updates"):
        database.execute(UPDATE)


def test_the_key_is_replaced_in_one_transaction(database: Database) -> None:
    database.execute("ALTER TABLE document_pages DROP CONSTRAINT fk_document_pages_document_id")
    database.execute("CREATE UNIQUE INDEX pk_new ON documents (id)")
    database.execute(
        "ALTER TABLE documents DROP CONSTRAINT pk_documents, "
        "ADD CONSTRAINT pk_documents PRIMARY KEY USING INDEX pk_new"
    )
    assert database.execute(UPDATE)
