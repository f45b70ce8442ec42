"""A text of any length is unique among some rows."""

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from tests.support import Make

# Random, or it is compressed to fit.
LONG = "".join(f"{number:x}" for number in range(5000))


def test_a_long_url_is_refused_before_and_taken_after(before: Make) -> None:
    database = before("unique_webhook_url_of_any_length")
    with pytest.raises(OperationalError, match="index row"):
        database.insert("webhooks", url=LONG)
    database.upgrade("unique_webhook_url_of_any_length")
    database.insert("webhooks", url=LONG)


def test_a_user_has_one_active_webhook_for_a_url(after: Make) -> None:
    database = after("unique_webhook_url_of_any_length")
    database.insert("webhooks", url=LONG)
    with pytest.raises(IntegrityError, match="uq_webhooks_user_id_url_hash_active"):
        database.insert("webhooks", url=LONG)
    database.insert("webhooks", url=LONG, is_active=False)


def test_the_way_back_refuses_while_an_active_url_is_too_long(after: Make) -> None:
    database = after("unique_webhook_url_of_any_length")
    webhook, was = database.insert("webhooks", url=LONG), database.schema()
    with pytest.raises(DBAPIError, match="too long for the index"):
        database.downgrade("unique_webhook_url_of_any_length")
    assert database.schema() == was
    database.execute("UPDATE webhooks SET is_active = false WHERE id = :id", id=webhook)
    database.downgrade("unique_webhook_url_of_any_length")
