"""Backfill order.channel of the orders that were there before it.

Scenario: know where orders come from, second step
Rollback: loses which order.channel were NULL; they stay until the column goes
Deploy: after the code that fills it in
"""

from alembic import op


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE
                after bigint := 0;
                last bigint;
            BEGIN
                LOOP
                    SELECT max(id) INTO last
                    FROM (SELECT id FROM "order" WHERE id > after ORDER BY id LIMIT 1000) AS batch;
                    EXIT WHEN last IS NULL;
                    UPDATE "order" SET channel = 'shop' WHERE id > after AND id <= last AND channel IS NULL;
                    COMMIT;
                    after := last;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    pass
