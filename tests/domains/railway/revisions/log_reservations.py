"""Have the server log what a reservation was, and show who travels today.

Scenario: know how a reservation came to be what it is
Rollback: lossless
Deploy: at any time
"""

from alembic import op


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION "Booking"."Log Status"() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
        BEGIN
            INSERT INTO "Booking"."Status Log" ("Reservation", "Status") VALUES (NEW."Id", OLD."Status");
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER "Log Status" AFTER UPDATE OF "Status" ON "Booking"."Reservation"
        FOR EACH ROW WHEN (OLD."Status" <> NEW."Status") EXECUTE FUNCTION "Booking"."Log Status"()
    """)
    op.execute("""
        CREATE VIEW "Booking"."Taken Seats" WITH (security_invoker) AS
        SELECT seat.*, reservation."During"
        FROM rail.seat
        JOIN "Booking"."Reservation" AS reservation
            ON (line_code, train_number, coach, number) = ("Line", "Train", "Coach", "Seat")
        WHERE "Status" <> 'CANCELLED'
    """)
    op.execute("""COMMENT ON VIEW "Booking"."Taken Seats" IS 'Held or paid'""")


def downgrade() -> None:
    op.execute('DROP VIEW "Booking"."Taken Seats"')
    op.execute('DROP TRIGGER "Log Status" ON "Booking"."Reservation"')
    op.execute('DROP FUNCTION "Booking"."Log Status"')
