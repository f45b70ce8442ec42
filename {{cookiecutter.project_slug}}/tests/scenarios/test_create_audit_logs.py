"""A new table with JSONB, a timestamp and its indexes, all in one transaction."""

from datetime import UTC, datetime, timedelta

from tests.support import Make


def test_the_moment_is_the_servers_and_has_a_zone(after: Make) -> None:
    database = after("create_audit_logs")
    entry = database.insert("audit_logs", action="login")
    moment = database.value("SELECT timestamp FROM audit_logs WHERE id = :id", id=entry)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_details_keep_their_structure(after: Make) -> None:
    database = after("create_audit_logs")
    database.insert("audit_logs", action="nested", details='{"changed": {"title": ["a", null]}}')
    assert database.value("SELECT details FROM audit_logs WHERE action = 'nested'") == {
        "changed": {"title": ["a", None]}
    }
    assert database.value("SELECT details #>> '{changed,title,0}' FROM audit_logs WHERE action = 'nested'")


def test_the_latest_entries_are_found_by_the_index(after: Make) -> None:
    database = after("create_audit_logs")
    database.insert_many("audit_logs", 20000, action="'many'", timestamp="now() - n * interval '1 minute'")
    database.execute("ANALYZE audit_logs")
    plan = database.plan("SELECT * FROM audit_logs ORDER BY timestamp DESC LIMIT 20")
    assert "idx_audit_logs_timestamp" in plan
    assert "idx_audit_logs_timestamp" not in database.plan("SELECT * FROM audit_logs WHERE action = 'many'")
