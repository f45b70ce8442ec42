"""Drop characters_backfill, the state of a backfill that has ended.

The way back makes the table anew, with its row. The backfill can then run again: it goes over the
whole table, and writes to the rows that have no value.

Scenario: drop the table with the state of a backfill that has ended
Locks: characters_backfill AccessExclusiveLock
Rollback: loses characters_backfill
Deploy: at any time after the backfill
Needs: after backfill_document_page_characters
Adapt: table characters_backfill, columns only_row next_key filled batch_at ended_at waits_for paused rest
    max_lag max_wal

Revision ID: 526d1ba1c091
Revises: c963d326ff10
Create Date: 2025-01-15 10:10:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "526d1ba1c091"
down_revision = "c963d326ff10"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("characters_backfill")


def downgrade() -> None:
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
