"""Drop users.new_email, which is the old column now, and the trigger: the contract step.

What is left is users.email, of type text, NOT NULL, unique and in lower case. The rules of the
old column are dropped with it. From now on an email may be longer than 255 characters.

The way back makes this file long: it is the first three revisions again, for the old type.
First come the column and the trigger, then the backfill, then the rules. If an email is longer
than 255 characters, it refuses before it changes anything.

Scenario: replace a column with no downtime, last step: drop the old column and the trigger
Instead of: dropping the old column at the switch, while code still uses it
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses while an email is longer than 255 characters
Deploy: after the second code is gone
Needs: after switch_user_email; no index on users.email but of uq_users_email; Alembic 1.16; users is
    not partitioned
Adapt: table users, key uuid, column email

Revision ID: f756c40e7550
Revises: e80c832f6da1
Create Date: 2025-01-11 09:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "f756c40e7550"
down_revision = "e80c832f6da1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER users_sync_email ON users")
    op.execute("DROP FUNCTION users_sync_email()")
    op.drop_column("users", "new_email")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (SELECT FROM users WHERE length(email) > 255) THEN
                    RAISE EXCEPTION 'users.email has values longer than 255 characters: shorten them first';
                END IF;
            END
            $$
        """)
        op.add_column("users", sa.Column("new_email", sa.String(255)), if_not_exists=True)
        # Exactly the function of expand_user_email.
        op.execute("""
        CREATE OR REPLACE FUNCTION users_sync_email() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.new_email IS DISTINCT FROM OLD.new_email THEN
                NEW.email := NEW.new_email;
            ELSE
                NEW.new_email := NEW.email;
            END IF;
            RETURN NEW;
        END
        $$
        """)
        # The columns in this order, because the switch swapped their names here too.
        op.execute("""
            CREATE OR REPLACE TRIGGER users_sync_email BEFORE INSERT OR UPDATE OF new_email, email
            ON users FOR EACH ROW EXECUTE FUNCTION users_sync_email()
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
                            WHERE ctid >= first_ctid AND ctid < next_ctid AND new_email IS NULL
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
                                WHERE ctid = ANY (batch) AND new_email IS NULL
                                ORDER BY id FOR NO KEY UPDATE
                            );
                            PERFORM set_config('app.keep_updated_at', 'on', true);
                            UPDATE users SET new_email = email WHERE ctid = ANY (batch);
                            COMMIT;
                        END LOOP;
                        block := block + step;
                        RAISE NOTICE 'contract_user_email: % of % blocks of users',
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
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_users_new_email') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_users_new_email RENAME TO uq_users_new_email_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_users_new_email_invalid", table_name="users", if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            "uq_users_new_email",
            "users",
            ["new_email"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'users'::regclass AND conname = 'uq_users_new_email'
                ) THEN
                    LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                    ALTER TABLE users ADD CONSTRAINT uq_users_new_email
                        UNIQUE USING INDEX uq_users_new_email;
                END IF;
            END
            $$
        """)
        for name, rule in [
            ("ck_users_new_email_lowercase", "new_email = lower(new_email)"),
            ("ck_users_new_email_not_null", "new_email IS NOT NULL"),
        ]:
            op.execute(f"""
                DO $$
                BEGIN
                    IF NOT EXISTS (
                        SELECT FROM pg_constraint WHERE conrelid = 'users'::regclass AND conname = '{name}'
                    ) THEN
                        LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                        ALTER TABLE users ADD CONSTRAINT {name} CHECK ({rule}) NOT VALID;
                    END IF;
                END
                $$
            """)
            op.execute(f"ALTER TABLE users VALIDATE CONSTRAINT {name}")
        op.alter_column("users", "new_email", nullable=False)
        op.drop_constraint(op.f("ck_users_new_email_not_null"), "users", type_="check")
