"""Drop users.full_name and the trigger that kept it: the contract step.

The way back makes this file long: it is an expand and a backfill. The trigger comes first, so
that full_name gets what new code writes meanwhile. Then batches fill full_name in the other
rows: it is NULL there, so the trigger joins the parts. Each statement commits by itself: in
one transaction the lock of the first would last until the last name is joined. Each can be run
again.

full_name comes back as the parts with one blank between them. Blanks before, after and between
the parts, as they were typed, are lost; those within the last name stay.

Scenario: split a column in two, last step: drop the old column
Instead of: first_name || ' ' || last_name on the way back, which gives NULL for "Cher", who has no last name
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses users.full_name as it was typed; it comes back joined from its parts
Deploy: after the code that knows full_name is gone
Needs: after backfill_user_name_parts; no index on users.full_name; Alembic 1.16; connections that
    prepare no statements; users is not partitioned
Adapt: table users, key uuid, columns full_name first_name last_name

Revision ID: b7aab5a7317f
Revises: 2bef6fc95906
Create Date: 2025-01-06 10:30:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b7aab5a7317f"
down_revision = "2bef6fc95906"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER users_sync_name ON users")
    op.execute("DROP FUNCTION users_sync_name()")
    op.drop_column("users", "full_name")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.add_column("users", sa.Column("full_name", sa.String(200)), if_not_exists=True)
        # Exactly the function of add_user_name_parts.
        op.execute(r"""
        CREATE OR REPLACE FUNCTION users_sync_name() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            blanks CONSTANT text := ' \t\n\r\u00a0\u2000-\u200a\u202f\u3000';
            words CONSTANT text[] := regexp_match(
                NEW.full_name, format('^[%1$s]*([^%1$s]*)[%1$s]*(.*?)[%1$s]*$', blanks)
            );
            old_code CONSTANT boolean := NEW.full_name IS DISTINCT FROM OLD.full_name;
            new_code CONSTANT boolean :=
                (NEW.first_name, NEW.last_name) IS DISTINCT FROM (OLD.first_name, OLD.last_name);
        BEGIN
            IF old_code AND NOT new_code THEN
                NEW.first_name := words[1];
                NEW.last_name := nullif(words[2], '');
            ELSIF NOT old_code THEN
                IF coalesce(OLD.first_name, OLD.last_name) IS NULL THEN  -- not yet split
                    NEW.first_name := coalesce(NEW.first_name, words[1]);
                    NEW.last_name := coalesce(NEW.last_name, nullif(words[2], ''));
                END IF;
                IF new_code OR NEW.full_name IS NULL THEN
                    NEW.full_name := CASE WHEN coalesce(NEW.first_name, NEW.last_name) IS NOT NULL
                        THEN left(concat_ws(' ', nullif(NEW.first_name, ''), nullif(NEW.last_name, '')), 200)
                    END;
                END IF;
            END IF;
            RETURN NEW;
        END
        $$
        """)
        op.execute("""
            CREATE OR REPLACE TRIGGER users_sync_name
            BEFORE INSERT OR UPDATE OF full_name, first_name, last_name
            ON users FOR EACH ROW EXECUTE FUNCTION users_sync_name()
        """)
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
                    blocks := pg_relation_size('users') / current_setting('block_size')::integer;
                    block := 0;
                    step := 10;
                    found_rows := 0;
                    WHILE block < blocks LOOP
                        started := clock_timestamp();
                        first_ctid := format('(%s,0)', block);
                        next_ctid := format('(%s,0)', block + step);
                        tids := ARRAY(
                            SELECT ctid FROM users
                            WHERE ctid >= first_ctid AND ctid < next_ctid
                                AND full_name IS NULL AND coalesce(first_name, last_name) IS NOT NULL
                        );
                        found_rows := found_rows + cardinality(tids);
                        FOR part IN 1..10 LOOP
                            -- Some rows of each block. The scan frees the space of the batch before.
                            PERFORM count(*) FROM users
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND cardinality(tids) > 0;
                            batch := ARRAY(
                                SELECT tids[n] FROM generate_series(part, cardinality(tids), 10) AS n
                            );
                            batch := ARRAY(
                                SELECT ctid FROM users
                                WHERE ctid = ANY (batch)
                                    AND full_name IS NULL AND coalesce(first_name, last_name) IS NOT NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE users SET first_name = first_name WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'drop_user_full_name: % of % blocks of users',
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
