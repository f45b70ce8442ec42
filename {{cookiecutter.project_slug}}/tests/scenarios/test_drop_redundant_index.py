"""An index goes whose work the index of a unique constraint does."""

from tests.support import Make


def test_the_pages_of_a_document_are_found_by_the_other_index(before: Make) -> None:
    database = before("drop_redundant_index")
    database.insert_many("documents", 2000)
    database.execute(
        "INSERT INTO document_pages (document_id, page_number) "
        "SELECT id, n FROM documents, generate_series(100, 110) n"
    )
    database.execute("ANALYZE document_pages")
    pages = "SELECT text FROM document_pages WHERE document_id = md5('document 1')::uuid"
    database.upgrade("drop_redundant_index")
    assert "uq_document_pages_document_id_page_number" in database.plan(pages)
