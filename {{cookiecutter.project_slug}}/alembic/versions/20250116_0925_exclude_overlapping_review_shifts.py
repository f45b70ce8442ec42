"""Let no two review_shifts have the same desk at the same time: an exclusion constraint.

Code that looks first and then inserts is not safe: two sessions look at once, and both find the desk
free. The index of the constraint is searched and filled in one step, and the second session waits
until the first ends (then it gets 23P01, or its row).

An EXCLUDE can be neither NOT VALID nor made of an index that is built concurrently. Under
AccessExclusiveLock it reads the table, builds its index and looks each row up in it: measured, 40
seconds for a million rows. For a table that cannot stand that, fill a new one that has the
constraint from the start, by a trigger and batches, and swap the names. Overlaps that are there
make it fail, and name two rows:

    SELECT a.id, b.id FROM review_shifts a JOIN review_shifts b ON a.desk = b.desk AND a.id < b.id
    AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)

Scenario: forbid overlapping periods (exclusion constraint)
Instead of: SELECT and then INSERT, between which another session inserts the same desk and hour
Locks: review_shifts AccessExclusiveLock; reads all of it to build the index
Allow: index review_shifts, it has some thousand rows
Allow: scan review_shifts, for the same build
Rollback: lossless
Deploy: from now on code must expect that a desk is taken (23P01)
Needs: after enable_btree_gist; no overlap
Adapt: table review_shifts, columns desk starts_at ends_at

Revision ID: dd9c56b3555f
Revises: a9d11628669a
Create Date: 2025-01-16 09:25:00.000000+00:00
"""

from alembic import op

revision = "dd9c56b3555f"
down_revision = "a9d11628669a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE review_shifts ADD CONSTRAINT ex_review_shifts_desk
        EXCLUDE USING gist (desk WITH =, tstzrange(starts_at, ends_at) WITH &&)
    """)


def downgrade() -> None:
    op.drop_constraint("ex_review_shifts_desk", "review_shifts")
