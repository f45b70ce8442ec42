"""Bring every documents.priority into the range from 0 to 9, which the next revision requires.

A priority outside the range meant "more urgent than any" or "less urgent than any", and the
nearest limit means almost the same. If no value is a fair replacement, raise an error and let
a person decide.

The rows are mended before the CHECK is there, because the code that could break it is gone. So
no UPDATE of another column is ever refused. If such code still runs, the CHECK must come
first: see check_document_file_size_positive.

    deploy  the code writes priorities from 0 to 9 only
    clamp   every row is in the range; code that writes another priority is gone
    check   the CHECK; another priority is refused (23514)

Scenario: repair values before a CHECK is added
Locks: documents RowExclusiveLock; one batch of rows at a time
Rollback: loses documents.priority where it was beyond the range
Deploy: after the code that writes a priority outside 0 to 9 is gone
Needs: documents.priority is integer; no trigger on documents sets updated_at; documents is not
    partitioned
Adapt: table documents, key uuid, column priority

Revision ID: 8e451ee7df19
Revises: 596f435509ae
Create Date: 2025-01-08 09:50:00.000000+00:00
"""

from alembic import op

revision = "8e451ee7df19"
down_revision = "596f435509ae"
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
                    blocks := pg_relation_size('documents') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM documents
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND priority NOT BETWEEN 0 AND 9
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM documents
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM documents
                                WHERE ctid = ANY (batch) AND priority NOT BETWEEN 0 AND 9
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE documents SET priority = greatest(0, least(priority, 9))
                            WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'clamp_document_priorities: % of % blocks of documents',
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
