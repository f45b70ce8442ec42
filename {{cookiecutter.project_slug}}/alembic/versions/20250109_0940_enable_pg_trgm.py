"""Enable pg_trgm, the extension that compares texts by their groups of three letters.

An extension belongs to one database, not to the server, so each test database needs it too.
pg_trgm is a trusted extension: a role that may create in the database may enable it. Otherwise
ask the administrator; IF NOT EXISTS then finds it. DROP EXTENSION fails while an object uses
it; with CASCADE it would drop that object.

    enable  the extension; old code runs
    index   the index; old code runs
    deploy  the new code searches in titles; the old code may still run

Scenario: enable an extension
Instead of: enabling it by hand, so that the next database lacks it
Locks: none on existing tables
Rollback: lossless; also drops pg_trgm if it was there before this revision
Deploy: before the revision that uses it; the server must have it installed (package postgresql-contrib)
Needs: a role that may create an extension
Adapt: nothing

Revision ID: 4ac510b78bdf
Revises: 51848670bc63
Create Date: 2025-01-09 09:40:00.000000+00:00
"""

from alembic import op

revision = "4ac510b78bdf"
down_revision = "51848670bc63"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


def downgrade() -> None:
    op.execute("DROP EXTENSION IF EXISTS pg_trgm")
