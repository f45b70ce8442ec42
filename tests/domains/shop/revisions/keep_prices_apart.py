"""Let a product have one price on each day.

Scenario: forbid two periods of one product that overlap
Allow: index billing.price_period, it holds a few hundred rows
Allow: scan billing.price_period, it holds a few hundred rows
Rollback: lossless
Deploy: after the code that ends a period before it begins the next
"""

from alembic import op


def upgrade() -> None:
    op.execute("""
        ALTER TABLE billing.price_period ADD CONSTRAINT ex_price_period_product_id_valid
        EXCLUDE USING gist (product_id WITH =, valid WITH &&)
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE billing.price_period DROP CONSTRAINT ex_price_period_product_id_valid")
