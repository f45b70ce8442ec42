"""Create the function shift_minutes(begin, end), which reports and code call by name.

It is IMMUTABLE, because the same two moments are the same distance apart whatever the time zone, and
STRICT: NULL in, NULL out. With both, the planner may compute it once, and an index may use it. If they
are not true of a function, queries give wrong answers without an error.

Scenario: create a function that queries call
Instead of: the same expression in each query, of which one forgets the seconds
Locks: none on existing tables
Rollback: lossless
Deploy: before the code that calls it
Needs: nothing
Adapt: nothing

Revision ID: 63bfa33de0dd
Revises: ba30e61880e7
Create Date: 2025-01-17 09:20:00.000000+00:00
"""

from alembic import op

revision = "63bfa33de0dd"
down_revision = "ba30e61880e7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION shift_minutes(begins timestamptz, ends timestamptz) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN ceil(extract(epoch FROM ends - begins) / 60)
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION shift_minutes(timestamptz, timestamptz)")
