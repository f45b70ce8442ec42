"""What code may expect of the models at work, on a database at head."""

from collections.abc import Iterator

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, selectinload

from models import AuthProvider, Document, DocumentPage, Role, User, Webhook
from tests.support import Database


@pytest.fixture
def session(head: Database) -> Iterator[Session]:
    """A session on sample rows."""
    with Session(head.engine) as session:
        yield session


def test_a_thousand_pages_are_one_statement_or_two(session: Session) -> None:
    document = session.scalars(select(Document).options(selectinload(Document.pages))).first()
    assert document
    document.pages += [DocumentPage(page_number=number) for number in range(1000, 2000)]
    statements: list[str] = []
    event.listen(session.get_bind(), "before_cursor_execute", lambda *given: statements.append(given[2]))
    session.flush()
    assert len(statements) <= 2


def test_updated_at_is_what_the_trigger_has_set(session: Session) -> None:
    user = session.scalars(select(User)).first()
    assert user
    earlier, user.phone = user.updated_at, "1"
    session.flush()
    assert user.updated_at > earlier


def test_a_role_that_users_have_cannot_be_deleted(session: Session) -> None:
    session.delete(session.scalars(select(Role).join(User)).first())
    with pytest.raises(IntegrityError, match="fk_users_role_id"):
        session.flush()


def test_pages_of_a_document_swap_their_numbers(session: Session) -> None:
    document = session.scalars(select(Document)).first()
    one, other = (DocumentPage(document=document, page_number=number) for number in (1001, 1002))
    session.add_all([one, other])
    session.flush()
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    one.page_number, other.page_number = other.page_number, one.page_number
    session.commit()


def test_a_way_to_sign_in_is_known_by_its_user_and_its_name(session: Session) -> None:
    user = session.scalars(select(User)).first()
    assert user
    passkey = AuthProvider(user=user, provider="passkey")
    session.add(passkey)
    session.flush()
    assert session.get(AuthProvider, (user.id, "passkey")) is passkey


def test_an_email_is_written_in_lower_case(session: Session) -> None:
    user = User(email="Ada.Lovelace@Example.com", username="ada")
    session.add(user)
    session.flush()
    assert user.email == "ada.lovelace@example.com"


def test_an_active_webhook_may_have_a_long_url(session: Session) -> None:
    user = session.scalars(select(User)).first()
    url = "https://example.com/" + "".join(map(str, range(10000)))
    session.add(Webhook(user=user, name="long", url=url, events=[]))
    session.flush()
