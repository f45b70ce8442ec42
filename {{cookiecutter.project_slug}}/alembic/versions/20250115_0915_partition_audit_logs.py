"""Partition audit_logs, without copying it: the table becomes the first partition.

It takes another name, a partitioned table takes the old one, and ATTACH puts the rows under it.
Nothing is read: the CHECK says that they belong there, each index of the parent finds its like, and
so does the foreign key. (Where the parent had an index that the partition lacks, ATTACH would
build it, and no session could use the table meanwhile.) The CHECK stays: the downgrade needs it.

Privileges are copied to the parent, because only the parent's are checked. Triggers, policies, a
replica identity and publications would have to be made anew, and views go on reading the partition.
Code that asks for a row by its id alone looks into each partition, and an error names the
constraint of the partition.

DEFAULT takes what comes after the bound, so that no INSERT fails. Have a scheduler make the months
before they begin, as make_webhook_deliveries_partitions does.

Scenario: partition a big live table without copying it
Instead of: copying all rows into a partitioned table, while writes wait and the disk holds both
Locks: audit_logs AccessExclusiveLock, users AccessExclusiveLock; no rewrite, no scan
Rollback: lossless; refuses once a row lies beyond the bound
Deploy: after bound_audit_logs, before the bound; code that says TRUNCATE or LOCK has to know partitions
Needs: after bound_audit_logs; audit_logs.user_id refers to users; no other table that refers to
    audit_logs; no view, trigger or policy on audit_logs; key uuid, as ATTACH takes no identity column
Adapt: table audit_logs, key uuid, columns user_id timestamp ip_address, table users, key uuid

Revision ID: 2877e874a4a6
Revises: ae96bb29e346
Create Date: 2025-01-15 09:15:00.000000+00:00
"""

from alembic import op

revision = "2877e874a4a6"
down_revision = "ae96bb29e346"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # ATTACH makes one foreign key of two, for which it locks users too: the parent first, as code does.
    op.execute("LOCK TABLE users, audit_logs IN ACCESS EXCLUSIVE MODE")
    op.rename_table("audit_logs", "audit_logs_before_2030")
    op.execute("""
        CREATE TABLE audit_logs (
            LIKE audit_logs_before_2030 INCLUDING DEFAULTS INCLUDING COMMENTS,
            CONSTRAINT pk_audit_logs PRIMARY KEY (id, timestamp),
            CONSTRAINT fk_audit_logs_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL
        ) PARTITION BY RANGE (timestamp)
    """)
    rename_what_it_has("audit_logs", "audit_logs_before_2030")
    op.execute("CREATE INDEX idx_audit_logs_user_id_timestamp ON audit_logs (user_id, timestamp)")
    op.execute("""
        CREATE INDEX idx_audit_logs_timestamp_brin ON audit_logs USING brin (timestamp)
        WITH (pages_per_range = 32, autosummarize = true)
    """)
    op.execute("CREATE INDEX idx_audit_logs_ip_address ON audit_logs USING spgist (ip_address)")
    op.execute("""
        ALTER TABLE audit_logs ATTACH PARTITION audit_logs_before_2030
        FOR VALUES FROM (MINVALUE) TO ('2030-01-01 00:00:00+00')
    """)
    op.execute("CREATE TABLE audit_logs_default PARTITION OF audit_logs DEFAULT")
    op.execute("ALTER INDEX audit_logs_default_pkey RENAME TO pk_audit_logs_default")
    for columns in ("user_id_timestamp", "timestamp", "ip_address"):
        op.execute(f"ALTER INDEX audit_logs_default_{columns}_idx RENAME TO idx_audit_logs_default_{columns}")
    op.execute("""
        DO $$
        DECLARE
            command text;
        BEGIN
            FOR command IN
                SELECT format('COMMENT ON TABLE audit_logs IS %L', obj_description('audit_logs_before_2030'::regclass))
                UNION ALL
                SELECT format('GRANT %s ON audit_logs TO %s', privilege_type,
                    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
                FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = 'audit_logs_before_2030'::regclass
            LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("LOCK TABLE users, audit_logs IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE audit_logs DETACH PARTITION audit_logs_before_2030")
    # What is beyond the bound breaks the CHECK, and the whole way back.
    op.execute("INSERT INTO audit_logs_before_2030 SELECT * FROM audit_logs")
    op.drop_table("audit_logs")
    op.rename_table("audit_logs_before_2030", "audit_logs")
    rename_what_it_has("audit_logs_before_2030", "audit_logs")


def rename_what_it_has(old: str, new: str) -> None:
    op.execute(f"""
        DO $$
        DECLARE
            command text;
        BEGIN
            FOR command IN
                SELECT format('ALTER TABLE {new} RENAME CONSTRAINT %I TO %I', conname,
                    replace(conname, '{old}', '{new}'))
                FROM pg_constraint WHERE conrelid = '{new}'::regclass
                UNION ALL
                SELECT format('ALTER INDEX %s RENAME TO %I', indexrelid::regclass,
                    replace(relname, '{old}', '{new}'))
                FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                WHERE indrelid = '{new}'::regclass
                    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            LOOP
                EXECUTE command;
            END LOOP;
        END
        $$
    """)
