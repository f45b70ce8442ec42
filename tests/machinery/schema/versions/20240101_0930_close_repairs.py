"""Close a repair by a trigger when it is done; drop the old remarks.

Scenario: add a trigger
Locks: repairs AccessExclusiveLock
Rollback: loses repairs.remark, repairs.closed_at
Deploy: after the code that reads no remarks

Revision ID: a00000000007
Revises: a00000000006
Create Date: 2024-01-01 09:30:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "a00000000007"
down_revision = "a00000000006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION close_repair() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.closed_at := now();
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER close_repair BEFORE UPDATE OF state ON repairs FOR EACH ROW
        WHEN (OLD.state <> 'done' AND NEW.state = 'done') EXECUTE FUNCTION close_repair()
    """)
    op.drop_column("repairs", "remark")


def downgrade() -> None:
    op.add_column("repairs", sa.Column("remark", sa.Text(), nullable=True))
    op.execute("DROP TRIGGER close_repair ON repairs")
    op.execute("DROP FUNCTION close_repair()")
