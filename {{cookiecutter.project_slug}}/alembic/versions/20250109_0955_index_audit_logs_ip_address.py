"""Index audit_logs.ip_address for the networks that an address is in.

SP-GiST stores the addresses as a tree of their leading bits, and a network is a number of
leading bits. It serves `<<=`, `>>=` and `&&`, also if the network is a column of another
table. A B-tree serves `<<=` only if the network stands in the query. GiST does the same as
SP-GiST; up to PostgreSQL 18 its operator class (inet_ops) must be named.

Scenario: search IP addresses by network
Instead of: a B-tree, which a join with a table of networks cannot use
Locks: audit_logs ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: at any time; before the code that searches by network
Needs: after add_audit_log_ip_address
Adapt: table audit_logs, column ip_address

Revision ID: 269e2147fb56
Revises: 86d9e678f975
Create Date: 2025-01-09 09:55:00.000000+00:00
"""

from alembic import op

revision = "269e2147fb56"
down_revision = "86d9e678f975"
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
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_audit_logs_ip_address') AND NOT indisvalid
                ) THEN
                    ALTER INDEX idx_audit_logs_ip_address RENAME TO idx_audit_logs_ip_address_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "idx_audit_logs_ip_address_invalid",
            table_name="audit_logs",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "idx_audit_logs_ip_address",
            "audit_logs",
            ["ip_address"],
            postgresql_using="spgist",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "idx_audit_logs_ip_address", table_name="audit_logs", if_exists=True, postgresql_concurrently=True
        )
