"""Make (user_id, provider) the primary key of auth_providers, and id an ordinary unique column.

Code finds a row by user_id and provider. Both rules stay: the primary key and the unique constraint swap
their columns. An index belongs to one constraint, so each gets a new index, built while code writes: the
old constraints get other names, and one transaction swaps them. What an earlier
run has built is kept. The columns are NOT NULL already; else PRIMARY KEY would read the table.

The replica identity depends on the old index: without it, each UPDATE of a published table would fail.
It is the primary key again, in the same transaction.

An ORM knows an object by its key: session.get() needs both values now, in the order of the model, and code
that changes a provider changes the key. Code that reads and writes by id goes on.

Scenario: replace a primary key
Instead of: DROP and ADD PRIMARY KEY, which builds its index under the exclusive lock
Locks: auth_providers AccessExclusiveLock; no rewrite, the scans under ShareUpdateExclusiveLock
Rollback: lossless
Deploy: before the code whose model has the new key; after the subscribers of a replication have it
Needs: after set_replica_identity_of_auth_providers; pk_auth_providers on auth_providers; no other table that
    refers to auth_providers; no ON CONFLICT ON CONSTRAINT by these names
Adapt: table auth_providers, key uuid, columns user_id provider

Revision ID: 69b16be43d77
Revises: 01349e2578d8
Create Date: 2025-01-14 10:15:00.000000+00:00
"""

from alembic import op

revision = "69b16be43d77"
down_revision = "01349e2578d8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        make_way(old_key="cardinality(conkey) = 1")
        build("pk_auth_providers", ["user_id", "provider"])
        build("uq_auth_providers_id", ["id"])
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'auth_providers'::regclass AND conname = 'pk_auth_providers'
                ) THEN
                    LOCK TABLE auth_providers IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                    ALTER TABLE auth_providers DROP CONSTRAINT pk_auth_providers_old;
                    ALTER TABLE auth_providers ADD CONSTRAINT pk_auth_providers
                        PRIMARY KEY USING INDEX pk_auth_providers;
                    ALTER TABLE auth_providers REPLICA IDENTITY DEFAULT;
                    ALTER TABLE auth_providers DROP CONSTRAINT uq_auth_providers_user_id_provider;
                    ALTER TABLE auth_providers ADD CONSTRAINT uq_auth_providers_id
                        UNIQUE USING INDEX uq_auth_providers_id;
                END IF;
            END
            $$
        """)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        make_way(old_key="cardinality(conkey) = 2")
        build("pk_auth_providers", ["id"])
        build("uq_auth_providers_user_id_provider", ["user_id", "provider"])
        op.execute("""
            DO $$
            BEGIN
                IF NOT EXISTS (
                    SELECT FROM pg_constraint
                    WHERE conrelid = 'auth_providers'::regclass AND conname = 'pk_auth_providers'
                ) THEN
                    LOCK TABLE auth_providers IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                    ALTER TABLE auth_providers DROP CONSTRAINT pk_auth_providers_old;
                    ALTER TABLE auth_providers ADD CONSTRAINT pk_auth_providers
                        PRIMARY KEY USING INDEX pk_auth_providers;
                    ALTER TABLE auth_providers DROP CONSTRAINT uq_auth_providers_id;
                    ALTER TABLE auth_providers ADD CONSTRAINT uq_auth_providers_user_id_provider
                        UNIQUE USING INDEX uq_auth_providers_user_id_provider;
                    ALTER TABLE auth_providers
                        REPLICA IDENTITY USING INDEX uq_auth_providers_user_id_provider;
                END IF;
            END
            $$
        """)


def make_way(old_key: str) -> None:
    """Rename the primary key of which `old_key` is true."""
    op.execute(f"""
        DO $$
        BEGIN
            IF EXISTS (
                SELECT FROM pg_constraint
                WHERE conrelid = 'auth_providers'::regclass AND conname = 'pk_auth_providers' AND {old_key}
            ) THEN
                LOCK TABLE auth_providers IN SHARE UPDATE EXCLUSIVE MODE;  -- autovacuum gives way
                ALTER TABLE auth_providers RENAME CONSTRAINT pk_auth_providers TO pk_auth_providers_old;
            END IF;
        END
        $$
    """)


def build(index: str, columns: list[str]) -> None:
    """Build a unique index while everybody writes, unless an earlier run has done it."""
    # A failed build leaves an INVALID index, which makes room. A valid one is kept: it took long.
    op.execute(f"""
        DO $$
        BEGIN
            LOCK TABLE auth_providers IN SHARE UPDATE EXCLUSIVE MODE;  -- a build may still be running
            IF EXISTS (
                SELECT FROM pg_index WHERE indexrelid = to_regclass('{index}') AND NOT indisvalid
            ) THEN
                ALTER INDEX {index} RENAME TO {index}_invalid;
            END IF;
        END
        $$
    """)
    op.drop_index(
        f"{index}_invalid", table_name="auth_providers", if_exists=True, postgresql_concurrently=True
    )
    op.create_index(
        index, "auth_providers", columns, unique=True, postgresql_concurrently=True, if_not_exists=True
    )
