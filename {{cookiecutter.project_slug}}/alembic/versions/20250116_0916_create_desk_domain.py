"""Create the domain desk_name, and make it the type of review_shifts.desk.

A domain is a type with a rule, for all columns that hold the same kind of thing. If
the domain has a CHECK already, the change of the type rewrites the table under the lock. So the domain
has none at first: then only the catalogue changes. The CHECK is added after it, NOT VALID: new values
must obey, old ones are not checked until validate_desk_domain. `VALUE` is the value that is stored. An
exclusion constraint on the column would have its index built anew; others keep theirs.

    deploy    the code stores names of desks in the form of the rule only
    create    desk has the type desk_name, and its rule is NOT VALID; another name is refused (23514)
    validate  the rule is valid

Scenario: create a domain, and make it the type of a column of a live table
Instead of: CREATE DOMAIN with its CHECK and ALTER COLUMN TYPE, which rewrites the table
Locks: review_shifts AccessExclusiveLock; no rewrite, no scan
Rollback: lossless
Deploy: after the code that stores other names is gone (23514)
Needs: review_shifts.desk is text
Adapt: table review_shifts, column desk, new name desk_name

Revision ID: 49892362c823
Revises: f08f1ae29acf
Create Date: 2025-01-16 09:16:00.000000+00:00
"""

from alembic import op

revision = "49892362c823"
down_revision = "f08f1ae29acf"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE DOMAIN desk_name AS text")
    op.execute("ALTER TABLE review_shifts ALTER COLUMN desk TYPE desk_name")
    op.execute(
        "ALTER DOMAIN desk_name ADD CONSTRAINT ck_desk_name CHECK (VALUE ~ '^[A-Z][0-9]{1,2}$') NOT VALID"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE review_shifts ALTER COLUMN desk TYPE text")
    op.execute("DROP DOMAIN desk_name")
