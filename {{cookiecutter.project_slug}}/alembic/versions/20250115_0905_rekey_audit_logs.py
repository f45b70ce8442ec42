"""Make (id, timestamp) the primary key of audit_logs.

The key of a partitioned table must hold the column that it is partitioned by. The index is built
concurrently. Then the old key goes and the new one takes the index, in one statement: no moment is
without a key, and as both columns are NOT NULL already, nothing is read. The old key has its name
until it goes, so the new one gets another.

Code that finds a row by its id uses the new index, whose first column is id. From now on the database
does not enforce that an id alone is unique: ids are unique because they are random.

    deploy     the code does not rely on (id) being the whole key
    rekey      the primary key is (id, timestamp)
    bound      a CHECK, valid, says up to which moment the table has rows
    partition  audit_logs is partitioned; the old table is its first partition

Scenario: replace a primary key on a big live table
Instead of: ADD PRIMARY KEY (id, timestamp), which builds the index while nobody can read or write
Locks: audit_logs AccessExclusiveLock; for a catalogue change, the index is built under
    ShareUpdateExclusiveLock
Rollback: lossless
Deploy: after the code that says ON CONFLICT (id) is gone; no code may rely on (id) being the whole key
Needs: pk_audit_logs on audit_logs; audit_logs.timestamp is NOT NULL; no other table that refers to
    audit_logs
Adapt: table audit_logs, key uuid, column timestamp

Revision ID: e5cabaaf2fb2
Revises: bd2ba2a0fdac
Create Date: 2025-01-15 09:05:00.000000+00:00
"""

from alembic import op

revision = "e5cabaaf2fb2"
down_revision = "bd2ba2a0fdac"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        rekey("pk_audit_logs", "pk_audit_logs_id_timestamp", ["id", "timestamp"])


def downgrade() -> None:
    with op.get_context().autocommit_block():
        rekey("pk_audit_logs_id_timestamp", "pk_audit_logs", ["id"])


def rekey(old: str, new: str, columns: list[str]) -> None:
    # A failed build leaves an INVALID index, which makes room. A valid one is kept: it took long.
    op.execute(f"""
        DO $$
        BEGIN
            LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- a build may still be running
            IF EXISTS (
                SELECT FROM pg_index WHERE indexrelid = to_regclass('{new}') AND NOT indisvalid
            ) THEN
                ALTER INDEX {new} RENAME TO {new}_invalid;
            END IF;
        END
        $$
    """)
    op.drop_index(f"{new}_invalid", table_name="audit_logs", if_exists=True, postgresql_concurrently=True)
    op.create_index(new, "audit_logs", columns, unique=True, postgresql_concurrently=True, if_not_exists=True)
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = 'audit_logs'::regclass AND conname = '{new}'
            ) THEN
                LOCK TABLE audit_logs IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                ALTER TABLE audit_logs DROP CONSTRAINT {old},
                    ADD CONSTRAINT {new} PRIMARY KEY USING INDEX {new};
            END IF;
        END
        $$
    """)
