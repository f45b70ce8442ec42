"""Create the schema billing, and the sequence that invoices are numbered by.

Scenario: number invoices by a sequence of their own
Rollback: lossless
Deploy: before the tables
"""

from alembic import op


def upgrade() -> None:
    op.execute("CREATE SCHEMA billing")
    op.execute("CREATE SEQUENCE billing.invoice_number START 20260001")


def downgrade() -> None:
    op.execute("DROP SEQUENCE billing.invoice_number")
    op.execute("DROP SCHEMA billing")
