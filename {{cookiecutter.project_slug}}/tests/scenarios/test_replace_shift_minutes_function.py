"""A function gets another argument, and who calls it as ever goes on."""

import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.support import Make

OLD = "SELECT shift_minutes('2025-01-06 08:00+00', '2025-01-06 09:30:01+00')"
NEW = "SELECT shift_minutes('2025-01-06 08:00+00', '2025-01-06 09:30:01+00', '30 minutes')"


def test_old_callers_get_the_same_at_each_step_and_new_ones_theirs(before: Make) -> None:
    database = before("replace_shift_minutes_function")
    assert database.value(OLD) == 91
    for step in ("replace_shift_minutes_function", "drop_old_shift_minutes"):
        database.upgrade(step)
        assert database.value(OLD) == 91
        assert database.value(NEW) == 61
    assert database.value("SELECT count(*) FROM pg_proc WHERE proname = 'shift_minutes'") == 1
    for step in ("drop_old_shift_minutes", "replace_shift_minutes_function"):
        database.downgrade(step)
        assert database.value(OLD) == 91


def test_a_default_beside_the_old_function_breaks_every_old_call(before: Make) -> None:
    database = before("replace_shift_minutes_function")
    database.execute(
        "CREATE FUNCTION shift_minutes(timestamptz, timestamptz, pause interval DEFAULT '0') "
        "RETURNS integer LANGUAGE sql RETURN 0"
    )
    with pytest.raises(ProgrammingError, match="is not unique"):
        database.value(OLD)


def test_the_old_one_is_not_dropped_while_a_view_calls_it(before: Make) -> None:
    database = before("drop_old_shift_minutes")
    database.execute(f"CREATE VIEW minutes AS {OLD}")
    with pytest.raises(DBAPIError, match="view minutes depends on function"):
        database.upgrade("drop_old_shift_minutes")
    assert database.query("SELECT FROM minutes")
