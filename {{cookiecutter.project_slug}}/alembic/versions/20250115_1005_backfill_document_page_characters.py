"""Fill document_pages.characters, in as many runs as it takes, and as fast as characters_backfill allows.

The key from which it goes on is committed together with its batch: no row is done twice, and none is
left out. `SELECT * FROM characters_backfill` tells another session how far it is and what it waits for.

A batch locks the row with the state before it locks any page. So an operator who leaves an UPDATE of the
state open holds up the backfill, and no code. The WAL that slots keep is asked for because a replica or
subscriber that is away is not in pg_stat_replication: only its slot tells, and the disk fills.

Scenario: fill a column of a huge table over days, with pauses
Instead of: one UPDATE of all rows, which a replica gets as one piece, and of which a stop leaves nothing
Locks: document_pages RowExclusiveLock, characters_backfill RowExclusiveLock; one batch of rows at a time
Rollback: loses which document_pages.characters were NULL, and the state in characters_backfill
Deploy: after the code that writes characters together with text
Needs: after throttle_document_page_characters; code that writes characters together with text; no trigger on
    document_pages sets updated_at
Adapt: table document_pages, key uuid, columns text characters, table characters_backfill, columns next_key
    filled batch_at ended_at waits_for paused rest max_lag max_wal

Revision ID: c963d326ff10
Revises: bbfc67f13b63
Create Date: 2025-01-15 10:05:00.000000+00:00
"""

from alembic import op

revision = "c963d326ff10"
down_revision = "bbfc67f13b63"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT greatest(reltuples - filled, 1) FROM characters_backfill
                    JOIN pg_class ON oid = 'document_pages'::regclass AND reltuples > 0
                );
                state record;
                reason text;
                first_id uuid;
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                LOOP
                    SELECT * INTO STRICT state FROM characters_backfill FOR UPDATE;
                    EXIT WHEN state.ended_at IS NOT NULL;
                    started := clock_timestamp();
                    reason := CASE
                        WHEN state.paused THEN 'an operator'
                        WHEN EXISTS (SELECT FROM pg_stat_replication WHERE replay_lag > state.max_lag)
                        THEN 'a replica that is behind'
                        WHEN EXISTS (
                            SELECT FROM pg_replication_slots
                            WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > state.max_wal
                        ) THEN 'a slot that keeps too much WAL'
                    END;
                    IF reason IS NULL THEN
                        first_id := coalesce(
                            state.next_key::uuid, (SELECT id FROM document_pages ORDER BY id LIMIT 1)
                        );
                        next_id := (
                            SELECT id FROM document_pages WHERE id >= first_id
                            ORDER BY id OFFSET batch_size LIMIT 1
                        );
                        batch := ARRAY(
                            SELECT id FROM document_pages
                            WHERE id >= first_id AND (next_id IS NULL OR id < next_id)
                                AND characters IS NULL AND text IS NOT NULL
                            ORDER BY id FOR NO KEY UPDATE
                        );
                        UPDATE document_pages SET characters = length(text) WHERE id = ANY (batch);
                        UPDATE characters_backfill SET next_key = next_id::text,
                            filled = filled + cardinality(batch), batch_at = clock_timestamp(),
                            ended_at = CASE WHEN next_id IS NULL THEN clock_timestamp() END;
                        done := done + batch_size;
                    END IF;
                    UPDATE characters_backfill SET waits_for = reason WHERE waits_for IS DISTINCT FROM reason;
                    COMMIT;
                    RAISE NOTICE 'backfill_document_page_characters: % document_pages%',
                        concat_ws(' of ', least(done, total), total), concat(', waits for ' || reason);
                    -- Next batch: as many rows as 50 ms allow. Pause: as the state says.
                    took := extract(epoch FROM clock_timestamp() - started);
                    IF reason IS NULL THEN
                        batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    END IF;
                    PERFORM pg_sleep(CASE WHEN reason IS NULL THEN took * state.rest ELSE 1 END);
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    op.execute("""
        UPDATE characters_backfill
        SET next_key = NULL, filled = 0, batch_at = NULL, ended_at = NULL, waits_for = NULL
    """)
