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
Needs: after add_document_language; no trigger on documents sets updated_at
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
            batch_size integer := 100;
            total CONSTANT bigint := (
                SELECT reltuples FROM pg_class WHERE oid = 'documents'::regclass AND reltuples > 0
            );
            first_id uuid := (SELECT id FROM documents ORDER BY id LIMIT 1);
            ids uuid[];
            batch uuid[];
            done bigint := 0;
            started timestamptz;
            took double precision;
        BEGIN
            WHILE first_id IS NOT NULL LOOP
                started := clock_timestamp();
                ids := ARRAY(
                    SELECT id FROM documents
                    WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                );
                first_id := ids[10 * batch_size + 1];
                -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                FOR part IN 1..10 LOOP
                    batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                    -- An index scan locks the rows in the order of their ids, as code does.
                    SET LOCAL enable_seqscan = off;
                    SET LOCAL enable_bitmapscan = off;
                    UPDATE documents SET {change}
                    WHERE id = ANY (batch) AND {where};
                    COMMIT;
                END LOOP;
                done := done + 10 * batch_size;
                RAISE NOTICE 'backfill_document_language: % documents',
                    concat_ws(' of ', least(done, total), total);
                -- A batch has as many rows as 50 ms allow. Pause: longer while a replica is behind.
                took := extract(epoch FROM clock_timestamp() - started);
                batch_size := least(2 * batch_size, greatest(100, 0.5 / took * batch_size));
                PERFORM pg_sleep(took * CASE WHEN EXISTS (
                    SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                ) THEN 10 ELSE 0.1 END);
            END LOOP;
        END
        $$
    """)
