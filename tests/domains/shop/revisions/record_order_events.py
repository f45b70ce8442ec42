"""Have the server record each status of an order, and the moment at which stock has changed.

Scenario: know when an order was placed, shipped, cancelled
Rollback: lossless
Deploy: at any time
"""

from alembic import op


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION record_order_event() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO order_event (order_id, status) VALUES (NEW.id, NEW.status);
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER record_order_event AFTER INSERT OR UPDATE OF status ON "order"
        FOR EACH ROW EXECUTE FUNCTION record_order_event()
    """)
    op.execute("""
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.updated_at := now();
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER touch BEFORE UPDATE ON stock
        FOR EACH ROW WHEN (OLD.quantity <> NEW.quantity) EXECUTE FUNCTION touch()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER touch ON stock")
    op.execute("DROP FUNCTION touch")
    op.execute('DROP TRIGGER record_order_event ON "order"')
    op.execute("DROP FUNCTION record_order_event")
