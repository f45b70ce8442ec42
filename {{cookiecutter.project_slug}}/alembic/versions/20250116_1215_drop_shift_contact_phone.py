"""Drop shift_contacts.phone, whose place phone_encrypted has taken: the contract step.

DROP COLUMN erases nothing. The plain values stay in the table's file until each row has been written again:
run pg_repack or VACUUM FULL once (docs/SCALE.md). The files of a replica follow. The WAL archive and
older backups have the values for as long as they are kept.

The way back adds an empty phone. Let the application decrypt into it, before code that reads it.

Scenario: drop a column whose values have been encrypted
Instead of: DROP COLUMN alone, which fails because the trigger names the column
Locks: shift_contacts AccessExclusiveLock; no rewrite, no scan
Rollback: loses shift_contacts.phone
Deploy: after the code that knows phone is gone
Needs: after require_shift_contact_phone_encrypted; code that does not name phone
Adapt: table shift_contacts, columns phone phone_encrypted

Revision ID: 6c12607e8e64
Revises: 4e5bd314b8db
Create Date: 2025-01-16 12:15:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "6c12607e8e64"
down_revision = "4e5bd314b8db"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER shift_contacts_phone_changed ON shift_contacts")
    op.execute("DROP FUNCTION shift_contacts_phone_changed()")
    op.drop_column("shift_contacts", "phone")


def downgrade() -> None:
    op.add_column("shift_contacts", sa.Column("phone", sa.Text()))
    op.execute("""
        CREATE FUNCTION shift_contacts_phone_changed() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.phone_encrypted IS NOT DISTINCT FROM OLD.phone_encrypted THEN
                NEW.phone_encrypted := NULL;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER shift_contacts_phone_changed BEFORE UPDATE OF phone ON shift_contacts
        FOR EACH ROW WHEN (NEW.phone IS DISTINCT FROM OLD.phone)
        EXECUTE FUNCTION shift_contacts_phone_changed()
    """)
