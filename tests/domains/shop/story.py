"""How the shop came to be, and five changes to it."""

from tests.domains.story import Change, Domain

SHOP = Domain(
    "shop",
    birth=(
        "enable_extensions",
        "create_invoice_numbers",
        "create_shop",
        "record_order_events",
        "create_shop_views",
        "protect_orders",
    ),
    changes=(
        Change(("add_product_ean",), "SELECT count(ean) = 0 FROM product"),
        Change(
            ("add_order_channel", "backfill_order_channel", "require_order_channel"),
            'SELECT count(channel) = count(*) FROM "order"',
        ),
        Change(
            ("index_orders_of_a_customer",),
            """SELECT count(*) = 1 FROM pg_indexes WHERE indexdef LIKE '%("User Id", "placedAt" DESC)'""",
        ),
        Change(
            ("add_price_period_product_fk",),
            "SELECT convalidated FROM pg_constraint WHERE conname = 'fk_price_period_product_id'",
        ),
        Change(
            ("add_order_status_returned",),
            "SELECT enum_range('shipped'::order_status, 'cancelled') = '{shipped,returned,cancelled}'",
            stays=True,
        ),
    ),
    works=(
        """SELECT count(*) >= (SELECT count(*) FROM "order") FROM order_event""",
        "SELECT bool_and(gross = round(price * (100 + vat) / 100, 2)) FROM product",
        """SELECT count(*) <= (SELECT count(*) FROM stock) FROM "In Stock" """,
        "SELECT min(number) >= 20260001 FROM billing.invoice",
        "SELECT count(*) = 0 FROM billing.turnover",
        """SELECT relrowsecurity FROM pg_class WHERE oid = '"order"'::regclass""",
    ),
    refused={
        "sku_form": "UPDATE product SET sku = 'abc'",
        "ex_price_period_product_id_valid": """
            INSERT INTO billing.price_period (product_id, valid, price)
            SELECT product_id, valid, price FROM billing.price_period
        """,
    },
)
