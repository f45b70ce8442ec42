"""Create auth_providers, and keep users.password in step with it: the expand step.

The move takes three revisions. This one adds a table for the ways to log in; a password is the
one named "local". The next copies the hashes into it. The last drops users.password. Both
versions of the code run in between, so two triggers copy every write from one place to the
other, and no password is lost. Each writes only what differs, so they do not call each other
endlessly.

The functions name tables, so they keep the search_path of this session: the session that
writes may have another one.

New code inserts users without a password, and the column is NOT NULL. So the default is "!".
It is the hash of no password: nobody can log in with it.

    create  auth_providers and the triggers; password has a default; old code runs
    move    every hash stands in both places; old code runs
    deploy  the new code uses auth_providers; the old code may still run
    drop    no password and no trigger any more; only the new code runs

Scenario: move a column to a table of its own, with both versions of the code running
Instead of: moving it in one revision, while old code still writes to a column that new code does not read
Locks: users AccessExclusiveLock; no rewrite, no scan
Rollback: loses auth_providers; users.password has every hash
Deploy: before the code that knows auth_providers
Needs: users.password is NOT NULL; no default on users.password
Adapt: table users, key uuid, column password, new table auth_providers, key uuid, columns user_id
    provider credentials created_at, label local

Revision ID: 4bb17fb4df05
Revises: c6f74740f142
Create Date: 2025-01-07 09:55:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "4bb17fb4df05"
down_revision = "c6f74740f142"
branch_labels = None
depends_on = None

# SQL of the functions and triggers, exactly as in drop_user_password.
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
    # First, because it takes the stronger lock on users: a lock raised later can deadlock with code.
    op.alter_column("users", "password", server_default="!")
    op.create_table(
        "auth_providers",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(50), nullable=False),
        sa.Column("credentials", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_auth_providers"),
        # Its index serves the foreign key too.
        sa.UniqueConstraint("user_id", "provider", name="uq_auth_providers_user_id_provider"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_auth_providers_user_id", ondelete="CASCADE"
        ),
    )
    for statement in TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("LOCK TABLE users, auth_providers IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP TRIGGER copy_user_password ON users")
    op.drop_table("auth_providers")
    op.execute("DROP FUNCTION copy_user_password(), copy_local_credentials()")
    op.alter_column("users", "password", server_default=None)
