"""Comments on a table and its columns."""

from sqlalchemy import inspect, text

from tests.support import Make


def test_the_database_says_what_the_table_and_its_columns_are(after: Make) -> None:
    inspector = inspect(after("comment_audit_logs").engine)
    assert inspector.get_table_comment("audit_logs")["text"] == (
        "What was done, by whom, and when. Rows are only ever added."
    )
    comments = {column["name"]: column["comment"] for column in inspector.get_columns("audit_logs")}
    assert {name: comment for name, comment in comments.items() if comment} == {
        "action": "Kind of thing and verb, such as document.create",
        "timestamp": "When it was done, by the clock of the database",
        "details": "What else is known; the keys depend on the action",
    }


def test_the_log_is_written_meanwhile(before: Make) -> None:
    database = before("comment_audit_logs")
    with database.engine.connect() as busy:
        busy.execute(text("UPDATE audit_logs SET action = 'meanwhile'"))
        database.upgrade("comment_audit_logs")
        busy.commit()
    assert database.column("SELECT DISTINCT action FROM audit_logs") == ["meanwhile"]
