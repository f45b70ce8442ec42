"""New rows are numbered, and what a number promises."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.scenarios.test_require_review_shift_desk_not_valid import shift
from tests.support import Make

NUMBER = "SELECT number FROM review_shifts WHERE id = :id"


def test_new_rows_have_a_number_and_old_ones_have_none(before: Make) -> None:
    database = before("create_review_shift_sequence")
    file = "SELECT pg_relation_filenode('review_shifts')"
    was = database.value(file)
    database.upgrade("create_review_shift_sequence")
    assert database.value(file) == was
    assert database.value("SELECT count(number) FROM review_shifts") == 0
    assert database.value(NUMBER, id=shift(database, desk="C1")) == 1000


def test_there_are_gaps(after: Make) -> None:
    database = after("create_review_shift_sequence")
    with database.engine.connect() as connection:
        connection.execute(text("SELECT nextval('review_shifts_number_seq')"))
        connection.rollback()  # which gives nothing back
    # The session that is gone had taken twenty.
    assert database.value(NUMBER, id=shift(database, desk="C1")) == 1020


def test_the_sequence_goes_with_its_column(after: Make) -> None:
    database = after("create_review_shift_sequence")
    with pytest.raises(DBAPIError, match="depends on sequence"):
        database.execute("DROP SEQUENCE review_shifts_number_seq")
    database.downgrade("create_review_shift_sequence")
    assert database.value("SELECT to_regclass('review_shifts_number_seq')") is None
