"""Comments on a table and its columns."""

from sqlalchemy import inspect, text

import models
from tests.support import Make


def test_the_database_says_what_the_models_say(after: Make) -> None:
    inspector = inspect(after("comment_audit_logs").engine)
    table = models.AuditLog.metadata.tables["audit_logs"]
    assert inspector.get_table_comment("audit_logs")["text"] == table.comment
    in_database = {column["name"]: column["comment"] for column in inspector.get_columns("audit_logs")}
    assert {name: comment for name, comment in in_database.items() if comment} == {
        name: table.columns[name].comment for name in ("action", "timestamp", "details")
    }


def test_the_log_is_written_meanwhile(before: Make) -> None:
    database = before("comment_audit_logs")
    with database.engine.connect() as busy:
        busy.execute(text("UPDATE audit_logs SET action = 'meanwhile'"))
        database.upgrade("comment_audit_logs")
        busy.commit()
    assert database.column("SELECT DISTINCT action FROM audit_logs") == ["meanwhile"]
