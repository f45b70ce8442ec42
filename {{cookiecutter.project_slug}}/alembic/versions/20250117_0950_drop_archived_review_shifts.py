"""Drop review_shifts out of the archive, and the view at its old name.

First run `pg_dump --schema=archive`: the downgrade makes an empty table. users is locked too, because the
table refers to it, and first, because it is the parent. So this transaction does nothing else; the
schema, the domain and the extension go in the next one.

Scenario: drop a table that refers to a busy one
Locks: archive.review_shifts AccessExclusiveLock, users AccessExclusiveLock; no rewrite, no scan
Rollback: loses archive.review_shifts
Deploy: after the code that reads it is gone, and after a dump
Needs: after drop_planned_review_shifts
Adapt: table review_shifts, key uuid, columns user_id desk starts_at ends_at note settings number, table
    users, key uuid, names archive desk_name

Revision ID: 155d60efd850
Revises: d02b9e65253d
Create Date: 2025-01-17 09:50:00.000000+00:00
"""

from alembic import op

revision = "155d60efd850"
down_revision = "d02b9e65253d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("LOCK TABLE users, archive.review_shifts IN ACCESS EXCLUSIVE MODE")
    op.execute("DROP VIEW review_shifts")
    op.execute("DROP TABLE archive.review_shifts")


def downgrade() -> None:
    op.execute("""
        CREATE TABLE archive.review_shifts (
            id uuid DEFAULT gen_random_uuid() CONSTRAINT pk_review_shifts PRIMARY KEY,
            user_id uuid NOT NULL
                CONSTRAINT fk_review_shifts_user_id REFERENCES users (id) ON DELETE CASCADE,
            desk desk_name NOT NULL,
            starts_at timestamptz NOT NULL,
            ends_at timestamptz NOT NULL,
            note varchar(500),
            settings jsonb,
            number bigint,
            CONSTRAINT ck_review_shifts_starts_before_it_ends CHECK (starts_at < ends_at),
            CONSTRAINT ex_review_shifts_desk
                EXCLUDE USING gist (desk WITH =, tstzrange(starts_at, ends_at) WITH &&)
        )
    """)
    op.execute("CREATE INDEX idx_review_shifts_user_id ON archive.review_shifts (user_id)")
    op.execute("""
        CREATE SEQUENCE archive.review_shifts_number_seq
        START 1000 CACHE 20 OWNED BY archive.review_shifts.number
    """)
    op.execute("""
        ALTER TABLE archive.review_shifts
        ALTER COLUMN number SET DEFAULT nextval('archive.review_shifts_number_seq'::regclass)
    """)
    op.execute("""
        CREATE VIEW review_shifts WITH (security_invoker = true) AS
        SELECT id, user_id, desk, starts_at, ends_at, note, settings, number FROM archive.review_shifts
    """)
