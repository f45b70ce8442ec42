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
    prepare no statements
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
                batch_size integer := 100;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'users'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM users ORDER BY id LIMIT 1);
                ids uuid[];
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    ids := ARRAY(
                        SELECT id FROM users
                        WHERE id >= first_id ORDER BY id LIMIT 10 * batch_size + 1
                    );
                    first_id := ids[10 * batch_size + 1];
                    -- Ten batches, each of every tenth row: a batch reuses the space of the one before.
                    FOR part IN 1..10 LOOP
                        batch := ARRAY(SELECT ids[n] FROM generate_series(part, 10 * batch_size, 10) AS n);
                        -- An index scan locks the rows in the order of their ids, as code does.
                        SET LOCAL enable_seqscan = off;
                        SET LOCAL enable_bitmapscan = off;
                        UPDATE users SET first_name = first_name
                        WHERE id = ANY (batch)
                            AND full_name IS NULL AND coalesce(first_name, last_name) IS NOT NULL;
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'drop_user_full_name: % users',
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
