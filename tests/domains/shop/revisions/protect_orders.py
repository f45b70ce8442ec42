"""Let a customer see and change no others than their own orders.

The program says for whom it works: SET app.user_id = '7'. What says nothing (a report, a
migration, the smoke test) sees all.

Scenario: separate the rows of customers in the database
Rollback: lossless
Deploy: after the code that says for whom it works
"""

from alembic import op


def upgrade() -> None:
    op.execute("""
        CREATE POLICY own_orders ON "order" USING (
            coalesce(current_setting('app.user_id', true), '') IN ('', "User Id"::text)
        )
    """)
    op.execute('ALTER TABLE "order" ENABLE ROW LEVEL SECURITY')


def downgrade() -> None:
    op.execute('ALTER TABLE "order" DISABLE ROW LEVEL SECURITY')
    op.execute('DROP POLICY own_orders ON "order"')
