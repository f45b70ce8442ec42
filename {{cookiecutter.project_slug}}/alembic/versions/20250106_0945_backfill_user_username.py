"""Give every user without a username one made from their email: the backfill step.

The name is the part before the @, in lower case, or "user" if that part is empty. If the name
is taken, the user gets the first free one of name-2, name-3, … Numbering each group of equal
names by itself is shorter but wrong: the second sam and sam-2@example.com both become "sam-2".
So a temporary table holds all names that are taken; its key finds a name at once. It also
holds the next number of each name. Without that, the thousandth "info" tries a thousand names.

Users are named in the order of their ids, batch by batch, so the names are the same on every
run, also after an interruption. `left` cuts long names to 50 characters.

Scenario: fill a column with values that must be unique
Instead of: row_number() over each group of equal names, which can give a name that another group has
Locks: users ShareUpdateExclusiveLock (for ANALYZE, which stops no write); one batch of rows at a time
Rollback: loses which users.username were NULL; the names stay until the column goes
Deploy: after the column has its default, so that no new user is without a username; before any code
    lets users choose one
Needs: after add_user_username; users.email is NOT NULL; no trigger on users sets updated_at
Adapt: table users, key uuid, columns username email

Revision ID: 6a55a98a3f87
Revises: c8d8c5aea4e6
Create Date: 2025-01-06 09:45:00.000000+00:00
"""

from alembic import op

revision = "6a55a98a3f87"
down_revision = "c8d8c5aea4e6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size integer := 1000;
                total CONSTANT bigint := (
                    SELECT reltuples FROM pg_class WHERE oid = 'users'::regclass AND reltuples > 0
                );
                first_id uuid := (SELECT id FROM users ORDER BY id LIMIT 1);
                next_id uuid;
                batch uuid[];
                done bigint := 0;
                started timestamptz;
                took double precision;
                nameless record;
                candidate text;
                number integer;
            BEGIN
                CREATE TEMPORARY TABLE IF NOT EXISTS taken (name text PRIMARY KEY, next integer DEFAULT 2);
                INSERT INTO taken
                SELECT username FROM users WHERE username IS NOT NULL ON CONFLICT DO NOTHING;
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM users WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM users
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND username IS NULL
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    FOR nameless IN
                        SELECT id, coalesce(nullif(left(local_part, 50), ''), 'user') AS name
                        FROM users, btrim(lower(split_part(email, '@', 1))) AS local_part
                        WHERE id = ANY (batch) ORDER BY id
                    LOOP
                        candidate := nameless.name;
                        LOOP
                            INSERT INTO taken VALUES (candidate) ON CONFLICT DO NOTHING;
                            EXIT WHEN FOUND;
                            UPDATE taken SET next = next + 1 WHERE name = nameless.name
                            RETURNING next - 1 INTO number;
                            candidate := left(nameless.name, 49 - length(number::text)) || '-' || number;
                        END LOOP;
                        UPDATE users SET username = candidate WHERE id = nameless.id;
                    END LOOP;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'backfill_user_username: % users',
                        concat_ws(' of ', least(done, total), total);
                    first_id := next_id;
                    -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
                DROP TABLE taken;
            END
            $$
        """)
        op.execute("ANALYZE users (username)")


def downgrade() -> None:
    pass
