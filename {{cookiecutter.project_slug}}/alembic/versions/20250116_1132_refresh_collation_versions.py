"""Record the versions of the collations that indexes of this database use, and of its own.

REFRESH VERSION changes no index. It says: all that depends on the order has been rebuilt. So it comes after
the last REINDEX. Only collations of another version than the system's are touched; C and C.UTF-8
have none. The collations that come with the server belong to a superuser, the database to its owner.

Scenario: end the warning of a collation version mismatch
Locks: none on existing tables
Rollback: lossless; the recorded versions stay
Deploy: after every index on text is rebuilt
Needs: after reindex_review_topic_names; a user who owns the database, and the collations
Adapt: nothing

Revision ID: 4f85728fe81f
Revises: 8be9ff8b304d
Create Date: 2025-01-16 11:32:00.000000+00:00
"""

from alembic import op

revision = "4f85728fe81f"
down_revision = "8be9ff8b304d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        DO $$
        DECLARE
            command text;
        BEGIN
            FOR command IN
                SELECT format('ALTER COLLATION %s REFRESH VERSION', oid::regcollation) FROM pg_collation
                WHERE collversion <> pg_collation_actual_version(oid)
                AND EXISTS (SELECT FROM pg_index WHERE pg_collation.oid = ANY (indcollation))
                UNION ALL
                SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname) FROM pg_database
                WHERE datname = current_database()
                AND datcollversion <> pg_database_collation_actual_version(oid)
            LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)


def downgrade() -> None:
    pass
