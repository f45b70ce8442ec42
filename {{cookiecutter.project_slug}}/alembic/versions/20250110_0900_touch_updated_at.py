"""Set updated_at on every UPDATE by a trigger, whatever program sends it.

An ORM's onupdate works only for statements that go through that ORM: not for psql, another
service, a backfill or ON DELETE SET NULL. A trigger on each table that has the column sees
them all. A backfill that is no edit can `SET app.keep_updated_at = 'on'` for its session, and
the trigger leaves the column alone. current_setting(…, true) gives NULL if it was never set.

search_path is empty, so the names in the function are those of pg_catalog. With the caller's
path, a function now() in a schema before pg_catalog would be called. Each statement commits by
itself, so no table is locked while the revision waits for another one.

Scenario: keep updated_at true without the application's help
Instead of: onupdate in the ORM, which statements that bypass it do not call
Locks: users ShareRowExclusiveLock, documents ShareRowExclusiveLock, webhooks ShareRowExclusiveLock; no scan
Rollback: lossless
Deploy: at any time; from now on the trigger overrides what code writes into updated_at
Needs: users.updated_at is NOT NULL; documents.updated_at is NOT NULL; webhooks.updated_at is NOT NULL
Adapt: table users, column updated_at, table documents, column updated_at, table webhooks, column
    updated_at

Revision ID: fe51751ecf7d
Revises: 27b222c6f5b0
Create Date: 2025-01-10 09:00:00.000000+00:00
"""

from alembic import op

revision = "fe51751ecf7d"
down_revision = "27b222c6f5b0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger
            LANGUAGE plpgsql SET search_path = '' AS $$
            BEGIN
                IF current_setting('app.keep_updated_at', true) IS DISTINCT FROM 'on' THEN
                    NEW.updated_at := now();
                END IF;
                RETURN NEW;
            END
            $$
        """)
        for table in ("users", "documents", "webhooks"):
            op.execute(f"""
                CREATE OR REPLACE TRIGGER touch_updated_at BEFORE UPDATE ON {table}
                FOR EACH ROW EXECUTE FUNCTION touch_updated_at()
            """)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table in ("users", "documents", "webhooks"):
            op.execute(f"DROP TRIGGER IF EXISTS touch_updated_at ON {table}")
        op.execute("DROP FUNCTION IF EXISTS touch_updated_at()")
