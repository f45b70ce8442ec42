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
Needs: values that do not collide once they are in lower case; no trigger on users sets updated_at;
    users is not partitioned
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND email <> lower(email)
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
                                WHERE ctid = ANY (batch) AND email <> lower(email)
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            UPDATE users SET email = lower(email) WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'normalize_user_emails: % of % blocks of users',
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
