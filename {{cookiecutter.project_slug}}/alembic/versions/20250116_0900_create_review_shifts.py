"""Create review_shifts: who reviews documents at which desk, from when to when.

Two columns are what forms and code work with; `tstzrange(starts_at, ends_at)` makes a range of them
where one is wanted. The CHECK is what makes that safe: a range that ends before it begins is an
error, in the middle of a query. (A column of type tstzrange brings that rule with it, and costs
every client a type that it may not know.) The end is not in the range: one shift ends at noon and
the next begins at noon, with no overlap.

Scenario: create a table whose rows have a beginning and an end
Instead of: two columns without a CHECK, of which one row in a thousand makes no range
Locks: users ShareRowExclusiveLock (for the foreign key; writes to users wait until the commit)
Rollback: loses review_shifts
Deploy: before the code that plans shifts
Needs: nothing
Adapt: new table review_shifts, key uuid, columns user_id desk starts_at ends_at options note, table users,
    key uuid

Revision ID: 6f0f097956fd
Revises: 3f7953e7a270
Create Date: 2025-01-16 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "6f0f097956fd"
down_revision = "3f7953e7a270"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "review_shifts",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("desk", sa.Text()),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("options", sa.Text()),
        sa.Column("note", sa.String(100)),
        sa.PrimaryKeyConstraint("id", name="pk_review_shifts"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_review_shifts_user_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_review_shifts_starts_before_it_ends")),
    )
    op.create_index("idx_review_shifts_user_id", "review_shifts", ["user_id"])


def downgrade() -> None:
    op.execute("LOCK TABLE users, review_shifts IN ACCESS EXCLUSIVE MODE")
    op.drop_table("review_shifts")
