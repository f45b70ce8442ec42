"""Validate the rule of the domain desk_name, for all rows of all tables that use it.

ALTER DOMAIN … VALIDATE reads each of these tables under a ShareLock: reads go on, writes wait. VALIDATE
of a table lets writes go on. Where that takes too long, leave the rule NOT VALID, and have each
big table prove it by a CHECK of its own, which is validated while writes go on.

Scenario: validate the CHECK of a domain
Locks: review_shifts ShareLock; scans review_shifts
Allow: scan review_shifts, it has some thousand rows
Rollback: lossless
Deploy: after create_desk_domain, at an hour in which few write
Needs: after create_desk_domain; no desk that breaks the rule
Adapt: name desk_name

Revision ID: 96151849cde1
Revises: 49892362c823
Create Date: 2025-01-16 09:18:00.000000+00:00
"""

from alembic import op

revision = "96151849cde1"
down_revision = "49892362c823"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER DOMAIN desk_name VALIDATE CONSTRAINT ck_desk_name")


def downgrade() -> None:
    # There is no "unvalidate".
    op.execute("ALTER DOMAIN desk_name DROP CONSTRAINT ck_desk_name")
    op.execute(
        "ALTER DOMAIN desk_name ADD CONSTRAINT ck_desk_name CHECK (VALUE ~ '^[A-Z][0-9]{1,2}$') NOT VALID"
    )
