"""Delete the audit logs from before 2024, in batches that leave the table usable.

Each batch commits: its dead rows may be cleared while the next one runs, a replica keeps up, and
a run that is stopped has lost nothing. The rows are found by their key, as in the backfills: the
table is read once, in small pieces, and no index on the column has to be there. Where few rows
go and an index finds them, a batch by that index reads less.

The table does not shrink. Vacuum makes the space free for new rows. To give it back to the operating
system, use REPACK or pg_repack. If old rows are deleted every month, make each month a partition
(partition_audit_logs): a partition is dropped in an instant.

Scenario: delete millions of old rows from a big live table
Instead of: one DELETE, whose dead rows stay until its commit, or TRUNCATE, which takes all rows
Locks: audit_logs RowExclusiveLock; one batch of rows at a time
Rollback: loses audit_logs from before 2024
Deploy: after the code that reads what is older is gone
Needs: no other table that refers to audit_logs
Adapt: table audit_logs, key uuid, column timestamp

Revision ID: bd2ba2a0fdac
Revises: 69b16be43d77
Create Date: 2025-01-15 09:00:00.000000+00:00
"""

from alembic import op

revision = "bd2ba2a0fdac"
down_revision = "69b16be43d77"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'audit_logs'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM audit_logs ORDER BY id LIMIT 1);
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM audit_logs WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM audit_logs
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id)
                            AND timestamp < '2024-01-01 00:00:00+00'
                        ORDER BY id FOR UPDATE
                    );
                    DELETE FROM audit_logs WHERE id = ANY (batch);
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'purge_audit_logs: % audit_logs', concat_ws(' of ', least(done, total), total);
                    first_id := next_id;
                    -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
