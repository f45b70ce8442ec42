"""Drop the schema archive, the domain desk_name and the extension btree_gist, which nothing uses any more.

None of them is dropped with CASCADE: if the schema still has an object, or another table uses the
domain or the extension, it fails. An extension is hundreds of objects, and takes a fifth of a
second; so it goes in a transaction that locks no table.

Scenario: drop a schema, a domain and an extension
Instead of: DROP SCHEMA archive CASCADE, which takes along what others have put there
Locks: none on existing tables
Rollback: lossless
Deploy: at any time after drop_archived_review_shifts
Needs: after drop_archived_review_shifts; nothing else in the schema archive; no other use of btree_gist
Adapt: names archive desk_name

Revision ID: e93f14bbcce9
Revises: 155d60efd850
Create Date: 2025-01-17 09:52:00.000000+00:00
"""

from alembic import op

revision = "e93f14bbcce9"
down_revision = "155d60efd850"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP SCHEMA archive")
    op.execute("DROP DOMAIN desk_name")
    op.execute("DROP EXTENSION btree_gist")


def downgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute("CREATE DOMAIN desk_name AS text CONSTRAINT ck_desk_name CHECK (VALUE ~ '^[A-Z][0-9]{1,2}$')")
    op.execute("CREATE SCHEMA archive")
