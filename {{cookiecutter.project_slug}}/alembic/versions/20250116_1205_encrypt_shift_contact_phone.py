"""Add shift_contacts.phone_encrypted, for the phone that the application encrypts: the expand step.

The key stays in the application. A key that is sent to the server, for pgcrypto, is seen in logs, in
pg_stat_activity and in pg_stat_statements; one in a revision is seen in git. So neither a revision nor a
trigger can fill the column. The code writes both columns, and a job of the application
encrypts the older rows, a batch in a transaction:

    SELECT id, phone FROM shift_contacts WHERE phone IS NOT NULL AND phone_encrypted IS NULL
    ORDER BY id LIMIT 500 FOR UPDATE

Old code knows phone alone. What it changes after new code has encrypted it, the job would not find. The
trigger cannot encrypt, but it can take the old ciphertext away: the job then does the row again.

Let the ciphertext begin with the number of its key: a new key then needs no new column. The server
can neither compare nor index nor check what it cannot read. To find a row by its phone, store
an HMAC of it too, and index that.

    encrypt  phone_encrypted beside phone, and the trigger
    deploy   the code reads phone and writes both; then its job encrypts the older rows
    require  refuses while a phone is without its ciphertext
    deploy   the code reads phone_encrypted and writes both
    deploy   the code knows phone_encrypted alone
    drop     no phone and no trigger any more

Scenario: encrypt a column in the application, with a key that the database never has
Instead of: pgcrypto in an UPDATE, which shows the key in logs, pg_stat_activity and pg_stat_statements
Locks: shift_contacts AccessExclusiveLock; no rewrite, no scan
Rollback: loses shift_contacts.phone_encrypted; phone has every value
Deploy: before the code that writes phone_encrypted
Needs: nothing
Adapt: table shift_contacts, column phone, new column phone_encrypted

Revision ID: ac1389996b43
Revises: 631957dbc4f1
Create Date: 2025-01-16 12:05:00.000000+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "ac1389996b43"
down_revision = "631957dbc4f1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shift_contacts", sa.Column("phone_encrypted", sa.LargeBinary()))
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


def downgrade() -> None:
    op.execute("DROP TRIGGER shift_contacts_phone_changed ON shift_contacts")
    op.execute("DROP FUNCTION shift_contacts_phone_changed()")
    op.drop_column("shift_contacts", "phone_encrypted")
