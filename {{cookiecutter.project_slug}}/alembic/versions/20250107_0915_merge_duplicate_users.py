"""Merge users whose emails differ only in case: the oldest gets all that the others own.

Deleting the newer users would delete their documents too (ON DELETE CASCADE). So their rows
are moved first, in batches that are committed one by one. Each batch locks the users of one
address, in the order of their ids. Then it looks again which of them is the oldest: one may be
deleted by now, or have another address. While they are locked, none gets a document before the
DELETE. After a crash, the same query finds the work that is left.

The oldest user keeps their email, username, password and role, and gets a name or phone from a
newer one if they have none. A webhook is deactivated if the oldest has an active one for its
url. Afterwards nothing shows who owned what: if you need that, copy id and user_id of each
table first. If old code writes a duplicate after this, unique_user_email finds it.

Scenario: merge duplicate rows, with everything that points at them
Instead of: DELETE … WHERE id NOT IN (SELECT MIN(id) …), which deletes their documents too; and up to
    PostgreSQL 18 there is no MIN(uuid)
Locks: users RowExclusiveLock, documents RowExclusiveLock, webhooks RowExclusiveLock,
    audit_logs RowExclusiveLock, roles RowShareLock; one user and one batch of rows at a time
Rollback: loses users (who were merged stay so), documents.user_id, webhooks.user_id, webhooks.is_active,
    audit_logs.user_id
Deploy: after the code that finds a user by lower(email); before it, a merged user who types
    the address in another case cannot log in
Needs: users.email is NOT NULL; documents.user_id refers to users; webhooks.user_id refers to users;
    audit_logs.user_id refers to users; no other table that refers to users
Adapt: table users, key uuid, columns email phone first_name last_name created_at, table documents, key
    uuid, column user_id, table webhooks, key uuid, columns user_id url is_active, table audit_logs, key
    uuid, column user_id

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
                batch_size CONSTANT integer := 1000;
                same_address record;
                twin uuid;
                oldest uuid;
                child text;
                batch uuid[];
                moved bigint;
                done bigint := 0;
            BEGIN
                FOR same_address IN
                    SELECT array_agg(id) AS ids, count(*) OVER () AS total
                    FROM users GROUP BY lower(email) HAVING count(*) > 1
                LOOP
                    LOOP
                        -- Lock, then look again: one may be deleted by now, or have another address.
                        PERFORM FROM users WHERE id = ANY (same_address.ids) ORDER BY id FOR UPDATE;
                        SELECT t.id, o.id INTO twin, oldest
                        FROM users AS t JOIN users AS o
                            ON lower(o.email) = lower(t.email) AND (o.created_at, o.id) < (t.created_at, t.id)
                        WHERE t.id = ANY (same_address.ids) AND o.id = ANY (same_address.ids)
                        ORDER BY o.created_at, o.id, t.id LIMIT 1;
                        EXIT WHEN NOT FOUND;
                        PERFORM FROM webhooks WHERE user_id IN (twin, oldest) ORDER BY id FOR NO KEY UPDATE;
                        UPDATE webhooks AS w SET is_active = false
                        WHERE user_id = twin AND is_active AND EXISTS (
                            SELECT FROM webhooks WHERE user_id = oldest AND url = w.url AND is_active
                        );
                        moved := 0;
                        FOREACH child IN ARRAY ARRAY['documents', 'webhooks', 'audit_logs'] LOOP
                            EXECUTE format('SELECT ARRAY(SELECT id FROM %I WHERE user_id = $1
                                ORDER BY id LIMIT $2 FOR NO KEY UPDATE)', child)
                            INTO batch USING twin, batch_size;
                            EXECUTE format('UPDATE %I SET user_id = $1 WHERE id = ANY ($2)', child)
                            USING oldest, batch;
                            moved := moved + cardinality(batch);
                        END LOOP;
                        IF moved = 0 THEN
                            UPDATE users AS u SET phone = coalesce(u.phone, t.phone)
                            FROM users AS t WHERE u.id = oldest AND t.id = twin;
                            -- Both parts or none: Cher and Ada Lovelace must not make Cher Lovelace.
                            UPDATE users AS u SET first_name = t.first_name, last_name = t.last_name
                            FROM users AS t WHERE u.id = oldest AND t.id = twin
                            AND num_nonnulls(u.first_name, u.last_name) = 0;
                            DELETE FROM users WHERE id = twin;
                        END IF;
                        COMMIT;
                    END LOOP;
                    COMMIT;
                    done := done + 1;
                    RAISE NOTICE 'merge_duplicate_users: % of % addresses', done, same_address.total;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
