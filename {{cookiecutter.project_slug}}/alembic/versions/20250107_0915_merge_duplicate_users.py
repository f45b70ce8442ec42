"""Merge users whose emails are the same but for upper and lower case: all they own goes to the oldest.

Deleting the newer ones would, by ON DELETE CASCADE, delete their documents. So what points
at them is moved first, in batches that are committed one by one. Each batch locks the user
that goes: nobody can give them a new document between the last look and the DELETE. After
a crash, what is left of the work is what the same query finds.

Kept are the oldest user's email, username, password and role; a name or phone that they
lack comes from the newer one. A webhook whose address the oldest calls already is switched
off. Nothing says afterwards who owned what: if you may want that, copy the two columns of
each table first. What old code goes on writing, unique_user_email will find.

Scenario: merge duplicate rows, with everything that points at them
Instead of: DELETE … WHERE id NOT IN (SELECT MIN(id) …): the documents go too, and there is no MIN(uuid)
Locks: users RowExclusiveLock, documents RowExclusiveLock, webhooks RowExclusiveLock,
    audit_logs RowExclusiveLock, roles RowShareLock; one user and one batch of rows at a time
Rollback: loses users (who were merged stay so), documents.user_id, webhooks.user_id, webhooks.is_active,
    audit_logs.user_id
Deploy: after the code that finds a user by lower(email), or those who wrote theirs otherwise cannot log in

Revision ID: 0e534b91b946
Revises: 2e966ad8d632
Create Date: 2025-01-07 09:15:00.000000+00:00
"""

from alembic import op

revision = "0e534b91b946"
down_revision = "2e966ad8d632"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                batch_size CONSTANT integer := 5000;
                twin record;
                child text;
                moved bigint;
                batch bigint;
                done bigint := 0;
            BEGIN
                FOR twin IN
                    SELECT id, oldest, count(*) OVER () AS total
                    FROM (
                        SELECT id, first_value(id) OVER same_address AS oldest FROM users
                        WINDOW same_address AS (PARTITION BY lower(email) ORDER BY created_at, id)
                    ) AS u
                    WHERE id <> oldest ORDER BY id
                LOOP
                    LOOP
                        PERFORM FROM users WHERE id = twin.id FOR UPDATE;
                        UPDATE webhooks AS w SET is_active = false
                        WHERE user_id = twin.id AND is_active AND EXISTS (
                            SELECT FROM webhooks WHERE user_id = twin.oldest AND url = w.url AND is_active
                        );
                        moved := 0;
                        FOREACH child IN ARRAY ARRAY['documents', 'webhooks', 'audit_logs'] LOOP
                            EXECUTE format('
                                UPDATE %I SET user_id = $1
                                WHERE id IN (SELECT id FROM %I WHERE user_id = $2 LIMIT $3)', child, child)
                            USING twin.oldest, twin.id, batch_size;
                            GET DIAGNOSTICS batch = ROW_COUNT;
                            moved := moved + batch;
                        END LOOP;
                        IF moved = 0 THEN
                            UPDATE users AS u SET phone = coalesce(u.phone, t.phone)
                            FROM users AS t WHERE u.id = twin.oldest AND t.id = twin.id;
                            -- The name as a whole, or Cher and Ada Lovelace make Cher Lovelace.
                            UPDATE users AS u SET first_name = t.first_name, last_name = t.last_name
                            FROM users AS t WHERE u.id = twin.oldest AND t.id = twin.id
                            AND num_nonnulls(u.first_name, u.last_name) = 0;
                            DELETE FROM users WHERE id = twin.id;
                        END IF;
                        COMMIT;
                        EXIT WHEN moved = 0;
                    END LOOP;
                    done := done + 1;
                    RAISE NOTICE 'merge_duplicate_users: % of % users', done, twin.total;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
