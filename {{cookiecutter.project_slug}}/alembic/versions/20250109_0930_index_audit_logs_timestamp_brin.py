"""Replace the B-tree on audit_logs.timestamp by a BRIN index, which is hundreds of times smaller.

A BRIN index keeps the lowest and the highest value of each 32 pages. For a million rows that
is 32 kB, where the B-tree has 22 MB. It pays if the rows lie in the table in the order of the
column, as in a log that is only appended to. It serves ranges: the scan reads the pages that
may hold a match and skips the others. With shuffled rows it could skip none. autosummarize is
on; otherwise the index does not cover new pages until the next VACUUM.

It replaces idx_audit_logs_timestamp. In our measurement the planner chose the B-tree each time
while both were there, and the B-tree is what costs space and writes. But BRIN gives no order.
For the newest entries, name a range (`timestamp > now() - interval '1 day'`), and the server
sorts only these. If the code cannot name one, keep the B-tree and leave this out.

Scenario: index a huge table that is only appended to
Instead of: a B-tree with an entry for each row, hundreds of times as large
Locks: audit_logs ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: after the code that asks for entries by time names a range
Needs: idx_audit_logs_timestamp on audit_logs; rows that lie in the order of the column
Adapt: table audit_logs, column timestamp

Revision ID: d275a41c90cf
Revises: 73aaec983b32
Create Date: 2025-01-09 09:30:00.000000+00:00
"""

from alembic import op

revision = "d275a41c90cf"
down_revision = "73aaec983b32"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_audit_logs_timestamp_brin') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_audit_logs_timestamp_brin RENAME TO idx_audit_logs_timestamp_brin_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_audit_logs_timestamp_brin_invalid",
            table_name="audit_logs",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_audit_logs_timestamp_brin",
            "audit_logs",
            ["timestamp"],
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "idx_audit_logs_timestamp", table_name="audit_logs", if_exists=True, postgresql_concurrently=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_audit_logs_timestamp') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_audit_logs_timestamp RENAME TO idx_audit_logs_timestamp_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_audit_logs_timestamp_invalid",
            table_name="audit_logs",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_audit_logs_timestamp",
            "audit_logs",
            ["timestamp"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(
            "idx_audit_logs_timestamp_brin",
            table_name="audit_logs",
            if_exists=True,
            postgresql_concurrently=True,
        )
