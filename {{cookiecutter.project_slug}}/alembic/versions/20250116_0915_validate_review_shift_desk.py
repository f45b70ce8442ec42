"""Prove that each of the review_shifts has a desk: the column is NOT NULL on every version.

VALIDATE reads the table while reads and writes go on. Then PostgreSQL 18 is done: SET NOT NULL
finds what it asks for. Before 18 SET NOT NULL sees the valid CHECK and skips the scan; then
the CHECK is dropped. Each statement commits by itself, and may be run again.

Scenario: validate a NOT NULL
Instead of: SET NOT NULL on an unproved column, which reads the table while nobody can use it
Locks: review_shifts AccessExclusiveLock; the scan under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after fill_review_shift_desks, at any time
Needs: after fill_review_shift_desks
Adapt: table review_shifts, column desk

Revision ID: f08f1ae29acf
Revises: c1234389861c
Create Date: 2025-01-16 09:15:00.000000+00:00
"""

from alembic import op

revision = "f08f1ae29acf"
down_revision = "c1234389861c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                -- A run before this one may have dropped the CHECK already.
                IF EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'review_shifts'::regclass
                    AND conname = 'review_shifts_desk_not_null'
                ) THEN
                    ALTER TABLE review_shifts VALIDATE CONSTRAINT review_shifts_desk_not_null;
                END IF;
            END
            $$
        """)
        op.alter_column("review_shifts", "desk", nullable=False)
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (
                    SELECT FROM pg_constraint WHERE conrelid = 'review_shifts'::regclass
                    AND conname = 'review_shifts_desk_not_null' AND contype = 'c'
                ) THEN
                    LOCK TABLE review_shifts IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE review_shifts DROP CONSTRAINT review_shifts_desk_not_null;
                END IF;
            END
            $$
        """)


def downgrade() -> None:
    op.alter_column("review_shifts", "desk", nullable=True)
    op.execute("""
        DO $$
        BEGIN
            IF current_setting('server_version_num')::integer >= 180000 THEN
                EXECUTE 'ALTER TABLE review_shifts
                    ADD CONSTRAINT review_shifts_desk_not_null NOT NULL desk NOT VALID';
            ELSE
                ALTER TABLE review_shifts
                    ADD CONSTRAINT review_shifts_desk_not_null CHECK (desk IS NOT NULL) NOT VALID;
            END IF;
        END
        $$
    """)
