"""Move the remark of each repair into a note of its own, in batches; check the priorities.

Scenario: move data into another table
Locks: repairs ShareUpdateExclusiveLock, notes RowExclusiveLock; one batch of rows at a time
Rollback: lossless
Deploy: after the code that writes notes

Revision ID: a00000000006
Revises: a00000000005
Create Date: 2024-01-01 09:25:00.000000+00:00
"""

from alembic import op

revision = "a00000000006"
down_revision = "a00000000005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE repairs VALIDATE CONSTRAINT ck_repairs_priority_range")
        op.execute("""
            DO $$
            DECLARE
                total CONSTANT bigint := (SELECT count(*) FROM repairs);
                moved bigint := 0;
                last uuid := '00000000-0000-0000-0000-000000000000';
                batch uuid[];
            BEGIN
                LOOP
                    batch := ARRAY(SELECT id FROM repairs WHERE id > last ORDER BY id LIMIT 100);
                    EXIT WHEN batch = '{}';
                    INSERT INTO notes (repair_id, line, text)
                    SELECT id, 0, remark FROM repairs WHERE id = ANY (batch) AND remark IS NOT NULL
                    ON CONFLICT DO NOTHING;
                    COMMIT;
                    last := batch[cardinality(batch)];
                    moved := moved + cardinality(batch);
                    RAISE NOTICE 'move_remarks: % of % repairs', moved, total;
                END LOOP;
            END
            $$
        """)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DELETE FROM notes WHERE line = 0")
