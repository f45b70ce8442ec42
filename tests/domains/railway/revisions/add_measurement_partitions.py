"""Add the first two months of measurements.

Scenario: have a place for what the sensors say
Rollback: loses rail.measurement
Deploy: before the sensors speak
"""

from alembic import op


def upgrade() -> None:
    op.execute("""
        CREATE TABLE rail.measurement_2026_01 PARTITION OF rail.measurement
        FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')
    """)
    op.execute("""
        CREATE TABLE rail."Measurements of February" PARTITION OF rail.measurement
        FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')
    """)


def downgrade() -> None:
    op.execute('DROP TABLE rail."Measurements of February"')
    op.execute("DROP TABLE rail.measurement_2026_01")
