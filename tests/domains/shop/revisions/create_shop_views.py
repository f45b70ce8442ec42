"""Create the views that other programs read.

Scenario: let the shop window and the accountants ask without knowing the tables
Rollback: lossless
Deploy: before the programs that read them
"""

from alembic import op


def upgrade() -> None:
    op.execute("""
        CREATE VIEW "In Stock" AS
        SELECT product.id, product.title, sum(stock.quantity) AS quantity
        FROM product JOIN stock ON stock.product_id = product.id
        GROUP BY product.id, product.title
        HAVING sum(stock.quantity) > 0
    """)
    op.execute("""
        CREATE VIEW billing.open_invoice AS
        SELECT invoice.number, "order"."User Id", gross - coalesce(sum(amount), 0) AS due
        FROM billing.invoice
        JOIN public."order" ON "order".id = invoice.order_id
        LEFT JOIN billing.payment ON payment.invoice_id = invoice.id
        WHERE paid_on IS NULL
        GROUP BY invoice.id, "order"."User Id"
    """)
    op.execute("""
        CREATE MATERIALIZED VIEW billing.turnover AS
        SELECT date_trunc('month', issued_on) AS month, currency, sum(net) AS net
        FROM billing.invoice GROUP BY 1, 2
    """)
    op.execute("CREATE UNIQUE INDEX idx_turnover_month_currency ON billing.turnover (month, currency)")


def downgrade() -> None:
    op.execute("DROP MATERIALIZED VIEW billing.turnover")
    op.execute("DROP VIEW billing.open_invoice")
    op.execute('DROP VIEW "In Stock"')
