"""Let the role reporting read documents and categories, and the tables that come after.

A GRANT is for tables that exist. ALTER DEFAULT PRIVILEGES is for those to come: in this schema, and if
the same role creates them that runs this. A new table then has its privileges in the transaction that
makes it.

A role belongs to the server, not to the database: on some servers it is missing, and the migration
must not fail for that. If it is missing, a WARNING says what to do. Creating it here would need
CREATEROLE, and a password in a file that is committed.

Scenario: grant privileges to a role in a revision, and default privileges
Instead of: GRANT alone, which fails where the role is missing and knows no table of tomorrow
Locks: none on existing tables
Rollback: lossless; what somebody had granted to the role by hand goes too
Deploy: after the role is created on this server; before the reports
Needs: nothing
Adapt: table documents, table categories, name reporting

Revision ID: 9136ba4cb6d0
Revises: 63337c30dff0
Create Date: 2025-01-17 09:00:00.000000+00:00
"""

from alembic import op

revision = "9136ba4cb6d0"
down_revision = "63337c30dff0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF to_regrole('reporting') IS NULL THEN
                RAISE WARNING 'there is no role reporting: create it, and run this revision''s GRANTs in psql';
                RETURN;
            END IF;
            GRANT SELECT ON documents, categories TO reporting;
            ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reporting;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            IF to_regrole('reporting') IS NOT NULL THEN
                ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM reporting;
                REVOKE SELECT ON documents, categories FROM reporting;
            END IF;
        END
        $$
    """)
