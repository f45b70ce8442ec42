"""Give documents ids that grow with time, where the database makes them: a default of its own, uuidv7.

A random id lands on any page of the primary key's index: each insert reads and writes another one,
and after a checkpoint each goes to the WAL whole. A uuid of version 7 begins with the milliseconds of
its making, so new ids come side by side, at the end of the index. Ids that are there stay valid.

PostgreSQL 18 has uuidv7(), and older ones have not. A default that names it would be a schema for some
servers only. So the default is a function of one's own, the same text everywhere: it asks the server,
and puts the time before a random id where there is none. PL/pgSQL looks uuidv7() up only when it
comes to it, so an upgrade of the server needs no revision. Ids of two servers sort among each other.

What it gives away: a reader of an id knows when its row was made, and of two ids which is the older. Keep
a random one where that is a secret, such as in a link that gives access.

Code that makes ids itself is not touched (new_id in database.py has version 7 from Python 3.14 on).

Scenario: make new keys grow with time
Instead of: random ids, each of which lands on another page; or uuidv7(), which servers before 18 have not
Locks: documents AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: at any time
Needs: key uuid; a default of documents.id that is gen_random_uuid()
Adapt: table documents, key uuid, name uuid_by_time

Revision ID: 8d8b31d333e2
Revises: da998b7520e8
Create Date: 2025-01-14 10:05:00.000000+00:00
"""

from alembic import op

revision = "8d8b31d333e2"
down_revision = "da998b7520e8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION uuid_by_time() RETURNS uuid LANGUAGE plpgsql PARALLEL SAFE AS $$
        DECLARE
            micros bigint;
        BEGIN
            IF current_setting('server_version_num')::integer >= 180000 THEN
                RETURN uuidv7();
            END IF;
            micros := extract(epoch FROM clock_timestamp()) * 1000000;
            -- 48 bits of milliseconds; 4 of the version and 12 of the time within one; 64 of a random id.
            RETURN encode(
                substr(int8send(micros / 1000), 3)
                || int2send((7 * 4096 + micros % 1000 * 4096 / 1000)::smallint)
                || substr(uuid_send(gen_random_uuid()), 9),
                'hex'
            )::uuid;
        END
        $$
    """)
    op.execute("ALTER TABLE documents ALTER COLUMN id SET DEFAULT uuid_by_time()")


def downgrade() -> None:
    op.execute("ALTER TABLE documents ALTER COLUMN id SET DEFAULT gen_random_uuid()")
    op.execute("DROP FUNCTION uuid_by_time()")
