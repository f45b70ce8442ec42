"""Add document_pages.characters, and characters_backfill, the table through which its backfill is watched.

The backfill takes days. So its state is a row: the key that the next batch begins with, how many rows
are filled and when, and what it waits for. A batch changes that row in its own transaction. A run that is
stopped, by Ctrl-C or at the end of a deploy, loses nothing, and the next run goes on from the key.
Any other session can pause the backfill or slow it down, by an UPDATE of that row:

    UPDATE characters_backfill SET paused = true;
    UPDATE characters_backfill SET paused = false, rest = 10;

`rest` is the pause after a batch, as a multiple of the time that the batch took. While a replica is more
than `max_lag` behind, or a slot keeps more than `max_wal` bytes of WAL, no batch begins.

    throttle  the column, nullable, and the table with the state
    deploy    the code writes characters together with text
    backfill  every row that has a text has its characters
    drop      no table with the state any more

Scenario: throttle a backfill that takes days, and keep its state in a table
Instead of: a stored generated column, which rewrites the table while no session can read or write it
Locks: document_pages AccessExclusiveLock; no rewrite, no scan
Rollback: loses document_pages.characters, characters_backfill
Deploy: before the code that writes characters
Needs: nothing
Adapt: table document_pages, new column characters, new table characters_backfill, columns only_row next_key
    filled batch_at ended_at waits_for paused rest max_lag max_wal

Revision ID: bbfc67f13b63
Revises: 134592d10738
Create Date: 2025-01-15 10:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "bbfc67f13b63"
down_revision = "134592d10738"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("document_pages", sa.Column("characters", sa.Integer()))
    op.create_table(
        "characters_backfill",
        sa.Column("only_row", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("next_key", sa.Text()),
        sa.Column("filled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("batch_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("waits_for", sa.Text()),
        sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("rest", sa.Double(), server_default=sa.text("0.1"), nullable=False),
        sa.Column("max_lag", sa.Interval(), server_default=sa.text("'5 s'"), nullable=False),
        sa.Column("max_wal", sa.BigInteger(), server_default=sa.text("1073741824"), nullable=False),
        sa.PrimaryKeyConstraint("only_row", name="pk_characters_backfill"),
        sa.CheckConstraint("only_row IS TRUE", name=op.f("ck_characters_backfill_only_row")),
    )
    op.execute("INSERT INTO characters_backfill DEFAULT VALUES")


def downgrade() -> None:
    op.drop_table("characters_backfill")
    op.drop_column("document_pages", "characters")
