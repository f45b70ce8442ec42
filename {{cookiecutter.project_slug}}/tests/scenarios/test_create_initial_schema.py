"""Starting a schema."""

from tests.support import Server


def test_it_starts_from_nothing_and_goes_back_to_it(server: Server) -> None:
    database = server.before("create_initial_schema")
    assert database.tables() == []
    database.upgrade("create_initial_schema")
    assert database.tables() == ["categories", "doc_pages", "documents", "legacy_exports", "users"]
    database.downgrade("create_initial_schema")
    assert database.tables() == []


def test_a_row_needs_no_more_than_what_only_the_caller_knows(server: Server) -> None:
    database = server.after("create_initial_schema", rows=False)
    database.insert("users", email="ada@example.com", password="hash")
    [(id_, is_active, created_at)] = database.query("SELECT id, is_active, created_at FROM users")
    assert id_
    assert is_active
    assert created_at


def test_deleting_a_user_deletes_their_documents_and_pages(server: Server) -> None:
    database = server.after("create_initial_schema")
    owner = database.value("SELECT user_id FROM documents d JOIN doc_pages p ON p.document_id = d.id LIMIT 1")
    database.execute("DELETE FROM users WHERE id = :id", id=owner)
    assert database.value("SELECT count(*) FROM documents WHERE user_id = :id", id=owner) == 0
    assert not database.query("SELECT FROM doc_pages WHERE document_id NOT IN (SELECT id FROM documents)")


def test_every_foreign_key_is_indexed(server: Server) -> None:
    database = server.after("create_initial_schema")
    assert (
        database.column(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND NOT EXISTS "
            "(SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1])"
        )
        == []
    )
