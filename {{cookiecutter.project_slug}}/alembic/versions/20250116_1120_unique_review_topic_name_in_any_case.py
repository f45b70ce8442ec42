"""Let no two review_topics have names that differ in case only: a unique index on lower(name).

Three things do this. lower() is on every server, and its index is built while the code writes; but a query
must say `lower(name) = lower(:name)`. With the type citext (an extension) a query says `name = :name`;
but the change of the type builds each index of the column anew under the exclusive lock, and against a
value of type text the case counts again. A nondeterministic collation of ICU can ignore accents as well;
it has the same change of type, LIKE fails on it before PostgreSQL 18, and not every server has ICU.

For all of them "Straße" and "STRASSE" are two names. PostgreSQL 18 has casefold(), which makes them one in
the collation pg_unicode_fast. In the locale C, lower() knows ASCII only. Names that are there twice make the
build fail:

    SELECT lower(name), array_agg(id) FROM review_topics GROUP BY 1 HAVING count(*) > 1

Scenario: make a text unique in any case (case-insensitive): lower(), citext or a collation
Instead of: UNIQUE (name), which accepts each name again in capitals
Locks: review_topics ShareUpdateExclusiveLock; reads the table twice
Rollback: lossless
Deploy: after the code that looks for lower(name) before it inserts (23505)
Needs: no two names that differ in case only
Adapt: table review_topics, column name

Revision ID: e2dd539947d8
Revises: 553e8ebd81c4
Create Date: 2025-01-16 11:20:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "e2dd539947d8"
down_revision = "553e8ebd81c4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Rename and drop the INVALID index of a failed build. Keep a valid one: its build took long.
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE review_topics IN SHARE UPDATE EXCLUSIVE MODE;  -- waits for a running build
                IF EXISTS (
                    SELECT FROM pg_index WHERE indexrelid = to_regclass('uq_review_topics_name_lower') AND NOT indisvalid
                ) THEN
                    ALTER INDEX uq_review_topics_name_lower RENAME TO uq_review_topics_name_lower_invalid;
                END IF;
            END
            $$
        """)
        op.drop_index(
            "uq_review_topics_name_lower_invalid",
            table_name="review_topics",
            if_exists=True,
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_review_topics_name_lower",
            "review_topics",
            [sa.text("lower(name)")],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "uq_review_topics_name_lower",
            table_name="review_topics",
            if_exists=True,
            postgresql_concurrently=True,
        )
