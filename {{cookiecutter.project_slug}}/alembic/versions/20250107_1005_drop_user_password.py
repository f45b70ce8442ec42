"""Drop users.password and the triggers that kept it: the contract step.

The way back makes this file long. It adds the column with the trigger that copies what new
code writes. Then batches copy the hashes that are there; what the trigger has copied stays.
The trigger for old code comes last. With it, the batches would lock both users and
auth_providers, and could deadlock with code that locks them in the other order. A user without
a local password gets "!", with which nobody can log in.

Scenario: drop a column whose values live elsewhere now
Instead of: a downgrade that adds an empty column, and locks everybody out
Locks: users AccessExclusiveLock, auth_providers AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses while a local credential is longer than 255 characters
Deploy: after the code that reads or writes users.password is gone
Needs: after move_password_hashes; no index on users.password; Alembic 1.16; connections that prepare no
    statements
Adapt: table users, key uuid, column password, table auth_providers, columns user_id provider
    credentials, label local

Revision ID: cb294da69df4
Revises: f9b2fe528e5c
Create Date: 2025-01-07 10:05:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "cb294da69df4"
down_revision = "f9b2fe528e5c"
branch_labels = None
depends_on = None

# SQL of the functions and triggers, exactly as in create_auth_providers.
TRIGGERS = (
    """
    CREATE OR REPLACE FUNCTION copy_user_password() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        INSERT INTO auth_providers AS p (user_id, provider, credentials)
        VALUES (NEW.id, 'local', NEW.password)
        ON CONFLICT (user_id, provider) DO UPDATE SET credentials = excluded.credentials
        WHERE p.credentials IS DISTINCT FROM excluded.credentials;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE OR REPLACE FUNCTION copy_local_credentials() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            UPDATE users SET password = '!' WHERE id = OLD.user_id AND OLD.provider = 'local';
        ELSIF NEW.provider = 'local' THEN
            UPDATE users SET password = coalesce(NEW.credentials, '!')
            WHERE id = NEW.user_id AND password <> coalesce(NEW.credentials, '!');
        END IF;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE OR REPLACE TRIGGER copy_local_credentials
    AFTER INSERT OR UPDATE OR DELETE ON auth_providers
    FOR EACH ROW EXECUTE FUNCTION copy_local_credentials()
    """,
    """
    CREATE OR REPLACE TRIGGER copy_user_password AFTER INSERT OR UPDATE OF password ON users
    FOR EACH ROW WHEN (NEW.password <> '!') EXECUTE FUNCTION copy_user_password()
    """,
)


def upgrade() -> None:
    # In the order of code, which reads the user first.
    op.execute("LOCK TABLE users, auth_providers IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER copy_local_credentials ON auth_providers")
    op.execute("DROP TRIGGER copy_user_password ON users")
    op.execute("DROP FUNCTION copy_user_password(), copy_local_credentials()")
    op.drop_column("users", "password")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (
                    SELECT FROM auth_providers WHERE provider = 'local' AND length(credentials) > 255
                ) THEN
                    RAISE EXCEPTION 'auth_providers has local credentials of more than 255 characters'
                    USING HINT = 'users.password cannot hold them: have those users set a new password first.';
                END IF;
            END
            $$
        """)
        op.add_column(
            "users",
            sa.Column("password", sa.String(255), server_default="!", nullable=False),
            if_not_exists=True,
        )
        for statement in TRIGGERS[:-1]:
            op.execute(statement)
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
            BEGIN
                WHILE first_id IS NOT NULL LOOP
                    started := clock_timestamp();
                    next_id := (
                        SELECT id FROM users WHERE id >= first_id ORDER BY id OFFSET batch_size LIMIT 1
                    );
                    batch := ARRAY(
                        SELECT id FROM users
                        WHERE id >= first_id AND (next_id IS NULL OR id < next_id) AND password = '!'
                        ORDER BY id FOR NO KEY UPDATE
                    );
                    UPDATE users SET password = credentials FROM auth_providers
                    WHERE users.id = ANY (batch) AND user_id = users.id
                        AND provider = 'local' AND credentials IS NOT NULL;
                    COMMIT;
                    done := done + batch_size;
                    RAISE NOTICE 'drop_user_password: % users',
                        concat_ws(' of ', least(done, total), total);
                    first_id := next_id;
                    -- Next batch: as many rows as 50 ms allow. Pause: longer while a replica is behind.
                    took := extract(epoch FROM clock_timestamp() - started);
                    batch_size := least(2 * batch_size, greatest(100, 0.05 / took * batch_size));
                    PERFORM pg_sleep(took * CASE WHEN EXISTS (
                        SELECT FROM pg_stat_replication WHERE replay_lag > interval '5 s'
                    ) THEN 10 ELSE 0.1 END);
                END LOOP;
            END
            $$
        """)
        op.execute(TRIGGERS[-1])
