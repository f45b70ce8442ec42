"""Delete the audit logs from before 2024, in batches that leave the table usable.

Each batch commits: its dead rows may be cleared while the next one runs, a replica keeps up, and
a run that is stopped has lost nothing. The table is read block by block, as in
backfill_user_name_parts, and no index on the column has to be there. Where few rows go and an
index finds them, a batch by that index reads less.

The table does not shrink. Vacuum makes the space free for new rows. To give it back to the operating
system, use REPACK or pg_repack. If old rows are deleted every month, make each month a partition
(partition_audit_logs): a partition is dropped in an instant.

Scenario: delete millions of old rows from a big live table
Instead of: one DELETE, whose dead rows stay until its commit, or TRUNCATE, which takes all rows
Locks: audit_logs RowExclusiveLock; one batch of rows at a time
Rollback: loses audit_logs from before 2024
Deploy: after the code that reads what is older is gone
Needs: no other table that refers to audit_logs; audit_logs is not partitioned
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
                blocks bigint;
                block bigint;
                step bigint;
                first_ctid tid;
                next_ctid tid;
                tids tid[];
                batch tid[];
                found_rows bigint;
                started timestamptz;
                took double precision;
            BEGIN
                -- Again, if running code has moved a row to a block that was done.
                FOR pass IN 1..3 LOOP
                    blocks := pg_relation_size('audit_logs') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM audit_logs
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND timestamp < '2024-01-01 00:00:00+00'
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM audit_logs
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM audit_logs
                                WHERE ctid = ANY (batch) AND timestamp < '2024-01-01 00:00:00+00'
                                ORDER BY id FOR UPDATE
                            );
                            DELETE FROM audit_logs WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'purge_audit_logs: % of % blocks of audit_logs',
                            least(block, blocks), blocks;
                        -- A batch may take 50 ms. Pause: longer while a replica is behind.
                        took := extract(epoch FROM clock_timestamp() - started);
                        step := greatest(1, least(2 * step, 4000, 0.5 / took * step));
                        PERFORM pg_sleep(took * CASE WHEN EXISTS (
                            SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                        ) THEN 10 ELSE 0.1 END);
                    END LOOP;
                    EXIT WHEN found_rows = 0;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
