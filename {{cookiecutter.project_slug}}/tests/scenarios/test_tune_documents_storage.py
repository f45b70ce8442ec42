"""Room on its pages spares a table that is updated often the writing of its indexes."""

import pytest
from sqlalchemy import text

from tests.support import Database, Make

SHARE = """
    SELECT n_tup_hot_upd::float / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'documents'
"""


def share_of_hot_updates(database: Database) -> float:
    """Insert documents, change the priority of each tenth of them, and return how many updates were HOT."""
    database.insert_many("documents", 5000)
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_reset_single_table_counters('documents'::regclass)"))
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        connection.execute(text("UPDATE documents SET priority = 7 WHERE hashtext(id::text) % 10 = 0"))
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        return float(connection.scalar(text(SHARE)) or 0)


def test_most_updates_write_no_index(before: Make, after: Make) -> None:
    full, roomy = (share_of_hot_updates(make("tune_documents_storage")) for make in (before, after))
    assert full < 0.2
    assert roomy > 0.8


def test_autovacuum_comes_after_a_fiftieth_of_the_table(after: Make) -> None:
    options = dict(
        option.split("=")
        for option in after("tune_documents_storage").value(
            "SELECT reloptions FROM pg_class WHERE oid = 'documents'::regclass"
        )
    )
    assert float(options["autovacuum_vacuum_scale_factor"]) == 0.02
    assert options.keys() == {
        "fillfactor",
        "autovacuum_vacuum_scale_factor",
        "autovacuum_vacuum_insert_scale_factor",
        "autovacuum_analyze_scale_factor",
    }


def test_readers_and_writers_do_not_wait(before: Make) -> None:
    database = before("tune_documents_storage")
    with database.engine.connect() as code:
        code.execute(text("UPDATE documents SET priority = 7"))
        database.upgrade("tune_documents_storage")  # it does not wait for code, so nobody waits behind it
        database.downgrade("tune_documents_storage")


def test_lz4_is_one_line_where_the_server_has_it(after: Make) -> None:
    database = after("tune_documents_storage")
    known = database.value("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
    if "lz4" not in known:
        pytest.skip("this server is built without lz4")
    database.execute("ALTER TABLE documents ALTER metadata SET COMPRESSION lz4")
    long = "(SELECT string_agg(md5((n + m % 50)::text), '') FROM generate_series(1, 2000) m)"
    database.insert_many("documents", 20, metadata=f"jsonb_build_object('text', {long})")
    compression = (
        "SELECT pg_column_compression(metadata), pg_column_size(metadata) < 0.2 * length(metadata::text)"
    )
    assert set(database.query(f"{compression} FROM documents WHERE metadata ? 'text'")) == {("lz4", True)}
