"""A column of a live table gets a domain for its type, and the domain its rule."""

import pytest
from sqlalchemy.exc import IntegrityError

from tests.scenarios.test_require_review_shift_desk_not_valid import shift
from tests.support import Make


def test_new_values_obey_at_once_and_old_ones_are_not_looked_at(before: Make) -> None:
    database = before("create_desk_domain")
    old = shift(database, desk="by the window")
    database.upgrade("create_desk_domain")
    with pytest.raises(IntegrityError, match="ck_desk_name"):
        database.execute("UPDATE review_shifts SET desk = 'by the door' WHERE id = :id", id=old)
    assert database.execute("UPDATE review_shifts SET note = 'seen' WHERE id = :id", id=old) == 1
    with pytest.raises(IntegrityError, match="contains values that violate"):
        database.upgrade("validate_desk_domain")
    database.execute("UPDATE review_shifts SET desk = 'W1' WHERE id = :id", id=old)
    database.upgrade("validate_desk_domain")


def test_the_table_is_not_written_anew(before: Make) -> None:
    database = before("create_desk_domain")
    file = "SELECT pg_relation_filenode('review_shifts')"
    was = database.value(file)
    database.upgrade("validate_desk_domain")
    assert database.value(file) == was
    database.downgrade("create_desk_domain")
    assert database.value(file) == was
