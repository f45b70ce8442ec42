"""Add a CHECK that audit_logs has no row from 2030 on, so that it can become a partition.

ATTACH PARTITION reads the whole table to see that each row belongs there, under a lock that
stops all traffic, unless a valid CHECK says so. New rows obey at once; VALIDATE reads the others
while reads and writes go on.

From here until partition_audit_logs a row beyond the bound is refused. So it has to lie ahead of
every row that is written meanwhile: the first day of the month after next will do. Here it is far
ahead, because this file cannot know when you run it. If a row is beyond the bound already, VALIDATE
fails: choose a later bound.

Scenario: prove that a big live table can become a partition
Instead of: ADD CHECK alone, which reads all audit logs while nobody can read or write them
Locks: audit_logs AccessExclusiveLock; the scan under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after rekey_audit_logs, at any time before the bound
Needs: after rekey_audit_logs; no row at or beyond the bound
Adapt: table audit_logs, column timestamp

Revision ID: ae96bb29e346
Revises: e5cabaaf2fb2
Create Date: 2025-01-15 09:10:00.000000+00:00
"""

from alembic import op

revision = "ae96bb29e346"
down_revision = "e5cabaaf2fb2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'audit_logs'::regclass AND conname = 'ck_audit_logs_bound'
                ) THEN
                    LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                    ALTER TABLE audit_logs ADD CONSTRAINT ck_audit_logs_bound
                        CHECK (timestamp < '2030-01-01 00:00:00+00') NOT VALID;
                END IF;
            END
            $$
        """)
        op.execute("ALTER TABLE audit_logs VALIDATE CONSTRAINT ck_audit_logs_bound")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_audit_logs_bound"), "audit_logs", type_="check")
