"""Write every email in lower case.

The CHECK that keeps them so comes after this, not before. Even a NOT VALID CHECK checks every
row that is written: an UPDATE of is_active would fail for each user whose email is not yet
rewritten.

    deploy     the code writes emails in lower case, and looks them up in lower case
    normalize  every email is in lower case; code that writes upper case is gone
    check      the CHECK; an email in upper case is refused (23514)

Scenario: rewrite values of a big live table into one form
Instead of: one UPDATE of all rows, or a CHECK first, which refuses every UPDATE of an old row
Locks: users RowExclusiveLock; one batch of rows at a time
Rollback: loses users.email as it was typed; the address is the same
Deploy: after the code that writes emails in lower case and looks them up in lower case
Needs: values that do not collide once they are in lower case; no trigger on users sets updated_at
Adapt: table users, key uuid, column email

Revision ID: 65747645c3f8
Revises: 0e534b91b946
Create Date: 2025-01-07 09:20:00.000000+00:00
"""

from alembic import op

revision = "65747645c3f8"
down_revision = "0e534b91b946"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
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
                        UPDATE users SET email = lower(email)
                        WHERE id = ANY (batch) AND email <> lower(email);
                        COMMIT;
                    END LOOP;
                    done := done + 10 * batch_size;
                    RAISE NOTICE 'normalize_user_emails: % users',
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


def downgrade() -> None:
    pass
