"""A new table, from a model, by way of autogenerate and a review."""

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import Column, ForeignKey, MetaData, Table, Uuid

from database import NAMING_CONVENTION
from tests.support import Make


def test_it_is_what_autogenerate_writes_for_the_model(before: Make) -> None:
    database = before("create_webhooks")
    # As the model was then; it goes on changing.
    model = MetaData(naming_convention=NAMING_CONVENTION)
    Table("users", model, Column("id", Uuid(), primary_key=True))
    Table(
        "webhooks",
        model,
        Column("id", Uuid(), primary_key=True),
        Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True, nullable=False),
    )
    only = {"include_object": lambda _item, name, kind, *_: kind != "table" or name == "webhooks"}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=only)
        operations = produce_migrations(context, model).upgrade_ops
    assert operations
    code = render_python_code(operations)
    assert "op.create_table('webhooks'" in code
    assert "op.create_index(op.f('idx_webhooks_user_id'), 'webhooks', ['user_id'], unique=False)" in code
    assert "op.create_table('users'" not in code


def test_a_webhook_can_be_inserted_by_hand(after: Make) -> None:
    database = after("create_webhooks")
    webhook = database.insert("webhooks", url="https://example.com", events=["document.created"])
    [(is_active, created_at)] = database.query(
        "SELECT is_active, created_at FROM webhooks WHERE id = :id", id=webhook
    )
    assert is_active
    assert created_at.tzinfo


def test_webhooks_go_with_their_user(after: Make) -> None:
    database = after("create_webhooks")
    owner = database.value("SELECT user_id FROM webhooks LIMIT 1")
    database.execute("DELETE FROM users WHERE id = :id", id=owner)
    assert database.value("SELECT count(*) FROM webhooks WHERE user_id = :id", id=owner) == 0
