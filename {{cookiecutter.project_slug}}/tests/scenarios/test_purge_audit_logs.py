"""Old rows of a big live table go, a batch at a time."""

from sqlalchemy import text

from tests.support import Database, Make

OLD = "timestamp < '2024-01-01 00:00:00+00'"
WHEN = "timestamptz '2024-01-01 00:00+00' + (n - 6000) * interval '1 minute'"


def many(database: Database) -> Database:
    """Return a database with as many old rows as new ones, the last old one a minute before 2024."""
    database.insert_many("audit_logs", 12000, timestamp=WHEN)
    return database


def test_what_is_old_is_gone_and_nothing_else(before: Make) -> None:
    database = many(before("purge_audit_logs"))
    kept = set(database.column(f"SELECT id FROM audit_logs WHERE NOT {OLD}"))
    database.upgrade("purge_audit_logs")
    assert set(database.column("SELECT id FROM audit_logs")) == kept
    assert len(kept) > 6000
    assert database.value("SELECT min(timestamp) = '2024-01-01 00:00+00' FROM audit_logs")


def test_each_batch_is_committed_and_a_row_that_code_has_changed_meanwhile_stays(before: Make) -> None:
    database = many(before("purge_audit_logs"))
    last = database.value(f"SELECT id FROM audit_logs WHERE {OLD} ORDER BY id DESC LIMIT 1")
    with database.engine.connect() as code:
        code.execute(text("UPDATE audit_logs SET timestamp = now() WHERE id = :id"), {"id": last})
        with database.while_it_waits("purge_audit_logs"):
            left = database.value(f"SELECT count(*) FROM audit_logs WHERE {OLD}")
            code.commit()
    assert 0 < left < 6000
    assert database.value(f"SELECT count(*) FROM audit_logs WHERE {OLD}") == 0
    assert database.query("SELECT FROM audit_logs WHERE id = :id", id=last)


def test_a_run_that_is_cut_off_is_gone_on_with(before: Make) -> None:
    database = many(before("purge_audit_logs"))
    assert database.crash("purge_audit_logs", 1)
    assert database.value(f"SELECT count(*) FROM audit_logs WHERE {OLD}") == 0
    database.insert("audit_logs", timestamp="1999-12-31 00:00+00")
    database.upgrade("purge_audit_logs")
    assert database.value(f"SELECT count(*) FROM audit_logs WHERE {OLD}") == 0
