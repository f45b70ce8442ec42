"""Create the notes, and the visits, which are partitioned by year.

Scenario: add a partitioned table
Locks: repairs ShareRowExclusiveLock, mechanics ShareRowExclusiveLock
Rollback: loses notes, visits
Deploy: before the code that writes them

Revision ID: a00000000003
Revises: a00000000002
Create Date: 2024-01-01 09:10:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000003"
down_revision = "a00000000002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("repair_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.ForeignKeyConstraint(["repair_id"], ["repairs.id"], name="fk_notes_repair_id", ondelete="CASCADE"),
        sa.UniqueConstraint("repair_id", "line", name="uq_notes_repair_id_line"),
    )
    op.create_index(
        "idx_notes_at_brin",
        "notes",
        ["at"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    )
    op.create_table(
        "visits",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("repair_id", sa.Uuid(), nullable=False),
        sa.Column("mechanic_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", "at", name="pk_visits"),
        sa.ForeignKeyConstraint(
            ["repair_id"], ["repairs.id"], name="fk_visits_repair_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mechanic_id"], ["mechanics.id"], name="fk_visits_mechanic_id", ondelete="SET NULL"
        ),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("idx_visits_repair_id_at", "visits", ["repair_id", "at"])
    op.execute(
        "CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')"
    )
    op.execute("CREATE TABLE visits_rest PARTITION OF visits DEFAULT")


def downgrade() -> None:
    op.drop_table("visits")
    op.drop_table("notes")
