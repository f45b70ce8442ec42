"""Allow documents.priority up to 100: change the expression of a CHECK.

The expression of a CHECK cannot be altered. So the new CHECK is added and validated beside the
old one, and there is always a rule. At the end the new one gets the name. Alembic's own
autogenerate does not see a changed CHECK. That of this project does.

Scenario: change the expression of a CHECK
Instead of: drop and create, which scans all rows under the exclusive lock
Locks: documents AccessExclusiveLock; no rewrite, the scan under ShareUpdateExclusiveLock
Rollback: lossless; refuses while a priority is above 9
Deploy: before the code that writes a priority above 9
Needs: ck_documents_priority_range on documents; Alembic 1.16
Adapt: table documents, column priority

Revision ID: f3ccaa583311
Revises: 2f45575e6116
Create Date: 2025-01-08 10:00:00.000000+00:00
"""

from alembic import op

revision = "f3ccaa583311"
down_revision = "2f45575e6116"
branch_labels = None
depends_on = None


def replace_check(condition: str) -> None:
    new = op.f("ck_documents_priority_range_new")
    # An earlier run that failed may have left the new one, or dropped the old one.
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_constraint WHERE conrelid = 'documents'::regclass AND conname = '{new}'
            ) THEN
                LOCK TABLE documents IN SHARE UPDATE EXCLUSIVE MODE;  -- makes autovacuum stop
                ALTER TABLE documents ADD CONSTRAINT {new} CHECK ({condition}) NOT VALID;
            END IF;
        END
        $$
    """)
    op.execute(f"ALTER TABLE documents VALIDATE CONSTRAINT {new}")
    op.drop_constraint(op.f("ck_documents_priority_range"), "documents", type_="check", if_exists=True)
    op.execute(f"ALTER TABLE documents RENAME CONSTRAINT {new} TO ck_documents_priority_range")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        replace_check("priority BETWEEN 0 AND 100")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                IF EXISTS (SELECT FROM documents WHERE priority > 9) THEN
                    RAISE EXCEPTION 'documents.priority holds values above 9: lower them first';
                END IF;
            END
            $$
        """)
        replace_check("priority BETWEEN 0 AND 9")
