"""Number the review_shifts: a column and its sequence, for new rows.

`ADD COLUMN … bigserial` or a default of nextval() in the same statement numbers every row that is there,
and rewrites the table under its lock. So the column comes without, the default after: old rows stay
without a number until a backfill gives them one, or for ever.

A sequence has gaps. A number is used up even if the INSERT is rolled back or the server crashes. With
CACHE 20 each session takes twenty at once: what it does not use is a gap, and numbers are not in the
order of time. It is right for keys, and wrong for invoices: those take a
counter in a row that is locked. OWNED BY has it go with its column. The code's role needs USAGE.

Scenario: number the rows of a live table by a sequence
Instead of: ADD COLUMN … bigserial, which rewrites the table
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: loses review_shifts.number
Deploy: before the code that reads number
Needs: nothing
Adapt: table review_shifts, new column number

Revision ID: b3c069126d9e
Revises: 9136ba4cb6d0
Create Date: 2025-01-17 09:05:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "b3c069126d9e"
down_revision = "9136ba4cb6d0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review_shifts", sa.Column("number", sa.BigInteger()))
    op.execute("CREATE SEQUENCE review_shifts_number_seq START 1000 CACHE 20 OWNED BY review_shifts.number")
    op.execute("""
        ALTER TABLE review_shifts ALTER COLUMN number SET DEFAULT nextval('review_shifts_number_seq'::regclass)
    """)


def downgrade() -> None:
    op.drop_column("review_shifts", "number")
