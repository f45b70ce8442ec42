"""Enable citext, pg_trgm and btree_gist, and make the domain sku.

Scenario: have the types that the tables are made of
Rollback: lossless
Deploy: before the tables
"""

from alembic import op


def upgrade() -> None:
    op.execute("CREATE EXTENSION citext")
    op.execute("CREATE EXTENSION pg_trgm")
    op.execute("CREATE EXTENSION btree_gist")
    op.execute("CREATE DOMAIN sku AS text CONSTRAINT sku_form CHECK (VALUE ~ '^[A-Z]{3}-[0-9]+$')")
    op.execute("COMMENT ON DOMAIN sku IS 'Three letters, a dash, a number'")


def downgrade() -> None:
    op.execute("DROP DOMAIN sku")
    op.execute("DROP EXTENSION btree_gist")
    op.execute("DROP EXTENSION pg_trgm")
    op.execute("DROP EXTENSION citext")
