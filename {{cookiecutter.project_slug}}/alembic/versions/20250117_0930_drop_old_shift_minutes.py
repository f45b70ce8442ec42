"""Drop shift_minutes with two arguments, and let the third have a default.

Now that there is one function, a default makes no call ambiguous: a call with two arguments means
no pause, as before. DROP FUNCTION fails if a view or an index still uses the old one. It does not see
calls in the bodies of other functions, and in code.

Scenario: drop the old signature of a function
Instead of: DROP FUNCTION … CASCADE, which takes along the views that call it
Locks: none on existing tables
Rollback: lossless
Deploy: at any time after replace_shift_minutes_function; calls with two arguments go on
Needs: after replace_shift_minutes_function
Adapt: nothing

Revision ID: 4b4fd06f5725
Revises: 001ffea467ad
Create Date: 2025-01-17 09:30:00.000000+00:00
"""

from alembic import op

revision = "4b4fd06f5725"
down_revision = "001ffea467ad"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP FUNCTION shift_minutes(timestamptz, timestamptz)")
    op.execute("""
        CREATE OR REPLACE FUNCTION shift_minutes(
            begins timestamptz, ends timestamptz, pause interval DEFAULT interval '0'
        ) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN ceil(extract(epoch FROM ends - begins - pause) / 60)
    """)


def downgrade() -> None:
    # A default cannot be taken from a function: it is made anew.
    op.execute("DROP FUNCTION shift_minutes(timestamptz, timestamptz, interval)")
    op.execute("""
        CREATE FUNCTION shift_minutes(begins timestamptz, ends timestamptz, pause interval) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN ceil(extract(epoch FROM ends - begins - pause) / 60)
    """)
    op.execute("""
        CREATE FUNCTION shift_minutes(begins timestamptz, ends timestamptz) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN shift_minutes(begins, ends, interval '0')
    """)
