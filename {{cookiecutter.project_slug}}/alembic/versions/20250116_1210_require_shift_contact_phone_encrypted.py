"""Go no further while a phone is without its ciphertext.

The revision changes nothing. It has no key, so it can only refuse: `alembic upgrade head` stops here
and says how many rows are left, until the job of the application has encrypted them. The code that writes
phone alone is gone by then, so every phone has its ciphertext from then on.

The count scans the table under a lock that blocks nobody. A CHECK would not do. NOT VALID, it refuses each
UPDATE of a row that is not encrypted yet, whatever the UPDATE changes. Later it refuses code that knows
phone_encrypted alone, and sets it to NULL beside an old phone.

Scenario: refuse to go on until the application has done its part of a backfill
Instead of: DROP COLUMN as soon as the job has ended, which loses each phone that the job has missed
Locks: shift_contacts AccessShareLock; scans shift_contacts
Rollback: lossless
Deploy: after the code that writes phone alone is gone, and the job has ended
Needs: after encrypt_shift_contact_phone; code that writes both columns; a job that encrypts the older rows
Adapt: table shift_contacts, columns phone phone_encrypted

Revision ID: 4e5bd314b8db
Revises: ac1389996b43
Create Date: 2025-01-16 12:10:00.000000+00:00
"""

from alembic import op

revision = "4e5bd314b8db"
down_revision = "ac1389996b43"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        DO $$
        DECLARE
            number bigint := (
                SELECT count(*) FROM shift_contacts WHERE phone IS NOT NULL AND phone_encrypted IS NULL
            );
        BEGIN
            IF number > 0 THEN
                RAISE EXCEPTION '% rows of shift_contacts have a phone that is not encrypted', number
                USING HINT = 'Have the job of the application encrypt them, then run this again.';
            END IF;
        END
        $$
    """)


def downgrade() -> None:
    pass
