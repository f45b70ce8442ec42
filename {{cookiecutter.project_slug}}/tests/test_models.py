"""The models say what the revisions build."""

from alembic import command

from tests.support import Database


def test_autogenerate_finds_nothing_to_do(head: Database) -> None:
    command.check(head.alembic())
