"""Give shift_minutes a third argument, the pause, while old callers go on with two.

CREATE OR REPLACE changes a body, and neither arguments nor the type of the result. With three
arguments it makes a second function beside the first; and if the third has a default, a call with
two fits both and fails: "is not unique". So the new one has no default, and the old one calls it:
the rule stands in one place. drop_old_shift_minutes drops the old one.

    replace  two functions, with two arguments and with three; old code runs
    deploy   the new code calls the one with three; the old code may still run
    drop     one function; calls with two arguments find it by its default

Scenario: change the signature of a function while old callers run
Instead of: a third argument with a default beside the old function, which makes every old call ambiguous
Locks: none on existing tables
Rollback: lossless
Deploy: before the code that says the pause; the code that calls it with two goes on
Needs: nothing
Adapt: nothing

Revision ID: 001ffea467ad
Revises: 63bfa33de0dd
Create Date: 2025-01-17 09:25:00.000000+00:00
"""

from alembic import op

revision = "001ffea467ad"
down_revision = "63bfa33de0dd"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION shift_minutes(begins timestamptz, ends timestamptz, pause interval) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN ceil(extract(epoch FROM ends - begins - pause) / 60)
    """)
    op.execute("""
        CREATE OR REPLACE FUNCTION shift_minutes(begins timestamptz, ends timestamptz) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN shift_minutes(begins, ends, interval '0')
    """)


def downgrade() -> None:
    op.execute("""
        CREATE OR REPLACE FUNCTION shift_minutes(begins timestamptz, ends timestamptz) RETURNS integer
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN ceil(extract(epoch FROM ends - begins) / 60)
    """)
    op.execute("DROP FUNCTION shift_minutes(timestamptz, timestamptz, interval)")
