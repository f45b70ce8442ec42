"""Create the tables of the workshop, and the first mechanics.

Scenario: start a schema
Locks: none
Rollback: loses every row
Deploy: before the code that needs it

Revision ID: a00000000001
Revises:
Create Date: 2024-01-01 09:00:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a00000000001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.CheckConstraint("email = lower(email)", name="email_lowercase"),
    )
    op.create_index("idx_customers_name_lower", "customers", [sa.text("lower(name)"), "email"])
    mechanics = op.create_table(
        "mechanics",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mechanics"),
        sa.UniqueConstraint("name", name="uq_mechanics_name"),
    )
    op.create_table(
        "parts",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("assembly_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("maker", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parts"),
        sa.ForeignKeyConstraint(["assembly_id"], ["parts.id"], name="fk_parts_assembly_id"),
        sa.UniqueConstraint(
            "assembly_id", "name", name="uq_parts_assembly_id_name", postgresql_nulls_not_distinct=True
        ),
    )
    op.create_index("idx_parts_name", "parts", ["name"], postgresql_using="hash")
    op.create_table(
        "repairs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("5"), nullable=False),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column(
            "state",
            postgresql.ENUM("waiting", "working", "done", "failed", name="repair_state"),
            server_default="waiting",
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_repairs"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_repairs_customer_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["part_id"], ["parts.id"], name="fk_repairs_part_id", ondelete="SET NULL"),
        sa.CheckConstraint("minutes > 0", name="minutes_positive"),
    )
    op.create_index("idx_repairs_customer_id", "repairs", ["customer_id"])
    op.create_index("idx_repairs_part_id", "repairs", ["part_id"])
    op.bulk_insert(mechanics, [{"name": "Ada"}, {"name": "Grace"}, {"name": "Radia"}])


def downgrade() -> None:
    for table in ("repairs", "parts", "mechanics", "customers"):
        op.drop_table(table)
    op.execute("DROP TYPE repair_state")
