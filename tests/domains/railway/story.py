"""How the railway came to be, and five changes to it."""

from tests.domains.story import Change, Domain

RAILWAY = Domain(
    "railway",
    birth=("enable_extensions", "create_railway", "add_measurement_partitions", "log_reservations"),
    changes=(
        Change(
            ("check_train_top_speed",),
            "SELECT convalidated FROM pg_constraint WHERE conname = 'ck_train_top_speed_positive'",
        ),
        Change(("create_refund",), 'SELECT count(*) = 0 FROM "Booking"."Refund"'),
        Change(("rename_traveller_phone",), 'SELECT count("Phone") >= 0 FROM "Booking"."Traveller"'),
        Change(
            ("unique_station_name",),
            "SELECT convalidated FROM pg_constraint WHERE conname = 'uq_station_name'",
        ),
        Change(
            ("index_measurement_celsius",),
            "SELECT count(*) = 3 FROM pg_indexes WHERE indexdef LIKE '%(celsius)'",
        ),
    ),
    works=(
        "SELECT bool_and(kilometres * 1000 = metres) FROM rail.stop",
        """
            SELECT count(*) = (SELECT count(*) FROM "Booking"."Reservation" WHERE "Status" <> 'CANCELLED')
            FROM "Booking"."Taken Seats"
        """,
        """
            SELECT count(*) = (SELECT count(*) FROM rail.measurement)
            FROM (TABLE rail.measurement_2026_01 UNION ALL TABLE rail."Measurements of February") AS months
        """,
    ),
    refused={
        "ex_Reservation_one_at_a_time": """
            INSERT INTO "Booking"."Reservation" ("Id", "User Id", "Line", "Train", "Coach", "Seat", "During")
            SELECT gen_random_uuid(), "User Id", "Line", "Train", "Coach", "Seat", "During"
            FROM "Booking"."Reservation" WHERE "Status" <> 'CANCELLED'
        """,
        "fare_check": """UPDATE "Booking"."Reservation" SET "Price Paid" = -1""",
    },
)
