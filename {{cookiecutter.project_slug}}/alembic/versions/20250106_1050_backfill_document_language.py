"""Copy the key "language" of each document's metadata into documents.language: the backfill step.

It copies only what the column can hold, by the same rule as the trigger. It does not change
metadata. If metadata is not an object, `->` returns NULL and raises no error.

The downgrade copies in the other direction. While the trigger was there, it copied what new
code wrote into metadata; the downgrade copies the rest. Only if metadata is not an object,
there is no place for the key.

Scenario: fill a column from a key of a JSON document
Instead of: one UPDATE of all rows, which also stops at the first value that is too long
Locks: documents ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which documents.language were NULL; values that are in the column only go into metadata
Deploy: after the column has its trigger
Needs: after add_document_language; no trigger on documents sets updated_at; documents is not
    partitioned
Adapt: table documents, key uuid, columns language metadata, member language

Revision ID: 02ae3ba14c66
Revises: f37b872d32ce
Create Date: 2025-01-06 10:50:00.000000+00:00
"""

from alembic import op

revision = "02ae3ba14c66"
down_revision = "f37b872d32ce"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        update_in_batches(
            "language = metadata ->> 'language'",
            "language IS NULL AND jsonb_typeof(metadata -> 'language') = 'string' "
            "AND length(metadata ->> 'language') BETWEEN 1 AND 35",
        )
        op.execute("ANALYZE documents (language)")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        update_in_batches(
            "metadata = coalesce(metadata, '{}') || jsonb_build_object('language', language)",
            "language IS NOT NULL AND language IS DISTINCT FROM metadata ->> 'language' "
            "AND jsonb_typeof(coalesce(metadata, '{}')) = 'object'",
        )


def update_in_batches(change: str, where: str) -> None:
    op.execute(f"""
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
                        WHERE ctid >= first_ctid AND ctid < next_ctid AND {where}
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
                            WHERE ctid = ANY (batch) AND {where}
                            ORDER BY id FOR NO KEY UPDATE
                        );
                        UPDATE documents SET {change} WHERE ctid = ANY (batch);
                        COMMIT;
                    END LOOP;
                    block := block + step;
                    RAISE NOTICE 'backfill_document_language: % of % blocks of documents',
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
