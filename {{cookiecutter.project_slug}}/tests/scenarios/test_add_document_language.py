"""A key of a JSON document that becomes a column: expand, backfill, contract."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DataError

from tests.support import Database, Make

# The metadata of a document, and its language after the backfill.
PROMOTED: list[tuple[Any, str | None]] = [
    ({"language": "de"}, "de"),
    ({"language": "zh-Hant-TW", "pages": 3}, "zh-Hant-TW"),
    ({"language": "x" * 35}, "x" * 35),
    ({"language": "ü" * 35}, "ü" * 35),  # characters, not bytes
    ({"language": "x" * 36}, None),
    ({"language": ""}, None),
    ({"language": None}, None),
    ({"language": 42}, None),
    ({"language": True}, None),
    ({"language": ["de"]}, None),
    ({"language": {"code": "de"}}, None),
    ({"other": {"language": "de"}}, None),
    ({}, None),
    (["language"], None),
    ([{"language": "de"}], None),
    ("language", None),
    (42, None),
    (None, None),  # JSON's null
]


def insert(database: Database, metadata: Any, **values: Any) -> UUID:
    id_: UUID = database.insert("documents", metadata=json.dumps(metadata), **values)
    return id_


def found(database: Database, id_: UUID) -> tuple[str | None, Any]:
    """Return what new code and what old code find."""
    [row] = database.query("SELECT language, metadata FROM documents WHERE id = :id", id=id_)
    return row[0], row[1]


def old_code_writes(database: Database, id_: UUID, metadata: Any) -> None:
    database.execute(
        "UPDATE documents SET metadata = CAST(:metadata AS jsonb) WHERE id = :id",
        metadata=json.dumps(metadata),
        id=id_,
    )


def new_code_writes(database: Database, id_: UUID, language: str | None) -> None:
    database.execute("UPDATE documents SET language = :language WHERE id = :id", language=language, id=id_)


def test_a_text_that_fits_is_promoted_and_everything_stays_in_metadata(before: Make) -> None:
    database = before("add_document_language")
    ids = [insert(database, metadata) for metadata, _ in PROMOTED]
    nothing = database.insert("documents", metadata=None)
    metadata = database.query("SELECT id, metadata FROM documents ORDER BY id")
    database.upgrade("backfill_document_language")
    assert [found(database, id_)[0] for id_ in ids] == [language for _, language in PROMOTED]
    assert found(database, nothing) == (None, None)
    assert database.query("SELECT id, metadata FROM documents ORDER BY id") == metadata


@pytest.mark.parametrize(("metadata", "language"), PROMOTED)
def test_the_trigger_decides_as_the_backfill_does(after: Make, metadata: Any, language: str | None) -> None:
    database = after("add_document_language")
    assert found(database, insert(database, metadata)) == (language, metadata)
    updated = insert(database, {"language": "before"})
    old_code_writes(database, updated, metadata)
    if isinstance(metadata, dict) and "language" in metadata:
        assert found(database, updated) == (language, metadata)


def test_the_naive_way_stops_at_the_first_long_value(before: Make) -> None:
    database = before("add_document_language")
    database.execute("ALTER TABLE documents ADD COLUMN language varchar(35)")
    with pytest.raises(DataError, match="value too long"):
        database.execute("UPDATE documents SET language = metadata ->> 'language'")


def test_the_table_is_not_rewritten_where_a_generated_column_would(before: Make) -> None:
    database = before("add_document_language")
    file = database.value("SELECT pg_relation_filenode('documents')")
    database.upgrade("add_document_language")
    assert database.value("SELECT pg_relation_filenode('documents')") == file
    database.execute(
        "ALTER TABLE documents ADD COLUMN naive text GENERATED ALWAYS AS (metadata ->> 'language') STORED"
    )
    assert database.value("SELECT pg_relation_filenode('documents')") != file


def both_codes_write(database: Database, existing: UUID) -> None:
    """Let old and new code write, and each find what the other wrote."""
    old_code_writes(database, existing, {"language": "pl", "pages": 1})
    assert found(database, existing) == ("pl", {"language": "pl", "pages": 1})
    new_code_writes(database, existing, "fr")
    assert found(database, existing) == ("fr", {"language": "fr", "pages": 1})
    old_code_writes(database, existing, {"language": None})
    assert found(database, existing) == (None, {"language": None})
    new_code_writes(database, existing, "es")
    assert found(database, existing) == ("es", {"language": "es"})
    new_code_writes(database, existing, None)
    assert found(database, existing) == (None, {"language": None})
    new_code_writes(database, existing, "cs")

    by_new_code = insert(database, {"pages": 2}, language="it")
    assert found(database, by_new_code) == ("it", {"language": "it", "pages": 2})
    assert found(database, database.insert("documents", language="da")) == ("da", {"language": "da"})
    by_old_code = insert(database, {"language": "sv"})
    assert found(database, by_old_code) == ("sv", {"language": "sv"})


def test_old_and_new_code_find_each_others_writes_at_every_step_up_and_down(before: Make) -> None:
    database = before("add_document_language")
    existing = insert(database, {"language": "de"})
    database.upgrade("add_document_language")
    both_codes_write(database, existing)
    database.upgrade("backfill_document_language")
    assert found(database, existing) == ("cs", {"language": "cs"})
    both_codes_write(database, existing)
    database.upgrade("drop_document_language_sync")
    assert found(database, existing)[0] == "cs"
    database.downgrade("drop_document_language_sync")
    both_codes_write(database, existing)
    database.downgrade("backfill_document_language")
    both_codes_write(database, existing)
    database.downgrade("add_document_language")
    assert database.value("SELECT metadata FROM documents WHERE id = :id", id=existing) == {"language": "cs"}


def test_metadata_that_new_code_writes_without_the_key_leaves_the_language_alone(after: Make) -> None:
    database = after("add_document_language")
    document = insert(database, {"language": "de", "pages": 1})
    database.execute("UPDATE documents SET metadata = '{\"pages\"\\: 2}' WHERE id = :id", id=document)
    assert found(database, document) == ("de", {"language": "de", "pages": 2})


def test_where_a_statement_writes_both_the_column_wins(after: Make) -> None:
    database = after("add_document_language")
    document = insert(database, {"language": "de"}, language="en")
    assert found(database, document) == ("en", {"language": "en"})


def test_metadata_that_is_no_object_is_left_as_it_is(after: Make) -> None:
    database = after("add_document_language")
    document = insert(database, ["a", "b"], language="de")
    assert found(database, document) == ("de", ["a", "b"])


def test_a_language_that_new_code_has_written_is_not_overwritten_by_the_backfill(before: Make) -> None:
    database = before("add_document_language")
    document = insert(database, {"language": "de"})
    database.upgrade("add_document_language")
    new_code_writes(database, document, "en")
    database.upgrade("backfill_document_language")
    assert found(database, document) == ("en", {"language": "en"})


def test_what_new_code_wrote_after_the_last_step_is_where_old_code_looks_after_the_way_back(
    before: Make,
) -> None:
    database = before("add_document_language")
    changed, unchanged = (
        insert(database, {"language": "de", "pages": 1}),
        insert(database, {"language": "de"}),
    )
    database.upgrade("drop_document_language_sync")
    new_code_writes(database, changed, "en")
    added = database.insert("documents", language="fr")
    assert found(database, changed) == ("en", {"language": "de", "pages": 1})
    database.downgrade("backfill_document_language")
    assert found(database, changed) == ("en", {"language": "en", "pages": 1})
    database.downgrade("add_document_language")
    assert [
        database.value("SELECT metadata FROM documents WHERE id = :id", id=id_)
        for id_ in (changed, unchanged, added)
    ] == [{"language": "en", "pages": 1}, {"language": "de"}, {"language": "fr"}]


def test_the_backfill_reaches_every_row_of_many_batches(before: Make) -> None:
    database = before("add_document_language")
    database.insert_many("documents", 12345, metadata="jsonb_build_object('language', 'de')")
    database.upgrade("backfill_document_language")
    assert database.value("SELECT count(*) FROM documents WHERE language = 'de'") >= 12345
    assert (
        database.value(
            "SELECT count(*) FROM documents WHERE language IS NULL "
            "AND jsonb_typeof(metadata -> 'language') = 'string' AND length(metadata ->> 'language') < 36"
        )
        == 0
    )
