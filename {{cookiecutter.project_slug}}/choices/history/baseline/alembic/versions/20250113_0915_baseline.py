"""The schema of the models, in one revision.

It is SQL as pg_dump writes it: a schema is more than its tables, and functions, triggers and an
extension are in it too. Change it as long as it has run nowhere but here; then put revisions of
your own after it.

webhook_deliveries is partitioned by month. Its DEFAULT partition takes the rows of every month
that has none. Have a scheduler make the next ones, before they begin (docs/RUNBOOK.md):

    SELECT make_webhook_deliveries_partitions(3)

audit_logs is partitioned too: what is before 2030 is one partition.

Scenario: have a schema to begin with
Locks: none on tables that exist
Rollback: loses every table and every row
Deploy: before the code

Revision ID: c41d09e2b7a5
Revises:
Create Date: 2025-01-13 09:15:00.000000+00:00
"""

from alembic import op

revision = "c41d09e2b7a5"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A function may name a table that is made after it.
    op.execute("SET LOCAL check_function_bodies = false")

    # Extensions
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")

    # Types
    op.execute("""
        CREATE TYPE document_status_enum AS ENUM (
            'pending',
            'processing',
            'completed',
            'error'
        )
    """)

    # Functions
    op.execute("""
        CREATE FUNCTION documents_search_update() RETURNS trigger
            LANGUAGE plpgsql
            AS $$
        BEGIN
            NEW.search :=
                setweight(to_tsvector('simple', translate(NEW.title, '._-/', '    ')), 'A') ||
                setweight(to_tsvector('simple', array_to_string(NEW.tags, ' ')), 'B');
            RETURN NEW;
        END
        $$
    """)
    op.execute("""
        CREATE FUNCTION make_webhook_deliveries_partitions(months integer) RETURNS integer
            LANGUAGE plpgsql
            SET search_path TO '$user', 'public'
            SET lock_timeout TO '1s'
            SET "TimeZone" TO 'UTC'
            AS $$
        DECLARE
            this_month CONSTANT timestamptz := date_trunc('month', now());
            first timestamptz;
            next timestamptz;
            partition text;
            made integer := 0;
            left_over text;
        BEGIN
            FOR n IN 0 .. months LOOP
                first := this_month + n * interval '1 month';
                next := first + interval '1 month';
                partition := 'webhook_deliveries_' || to_char(first, 'YYYY_MM');
                CONTINUE WHEN to_regclass(partition) IS NOT NULL;
                -- The parent first, as code does. Then look again: another session may have made it.
                LOCK TABLE webhooks, ONLY webhook_deliveries IN ACCESS EXCLUSIVE MODE;
                CONTINUE WHEN to_regclass(partition) IS NOT NULL;
                EXECUTE format('CREATE TABLE %I (
                    LIKE webhook_deliveries INCLUDING DEFAULTS,
                    CONSTRAINT %I PRIMARY KEY (id, delivered_at),
                    CONSTRAINT month CHECK (delivered_at >= %L AND delivered_at < %L)
                )', partition, 'pk_' || partition, first, next);
                EXECUTE format('WITH moved AS (
                    DELETE FROM webhook_deliveries_default
                    WHERE delivered_at >= %L AND delivered_at < %L RETURNING *
                )
                INSERT INTO %I SELECT * FROM moved', first, next, partition);
                EXECUTE format('CREATE INDEX %I ON %I (webhook_id, delivered_at)',
                    'idx_' || partition || '_webhook_id_delivered_at', partition);
                EXECUTE format('ALTER TABLE webhook_deliveries ATTACH PARTITION %I
                    FOR VALUES FROM (%L) TO (%L)', partition, first, next);
                EXECUTE format('ALTER TABLE %I DROP CONSTRAINT month', partition);
                made := made + 1;
            END LOOP;
            SELECT string_agg(DISTINCT to_char(delivered_at, 'YYYY-MM'), ', ') INTO left_over
            FROM webhook_deliveries_default;
            IF left_over IS NOT NULL THEN
                RAISE WARNING 'webhook_deliveries_default holds rows of %', left_over;
            END IF;
            RETURN made;
        END
        $$
    """)
    op.execute("""
        CREATE FUNCTION touch_updated_at() RETURNS trigger
            LANGUAGE plpgsql
            SET search_path TO ''
            AS $$
            BEGIN
                IF current_setting('app.keep_updated_at', true) IS DISTINCT FROM 'on' THEN
                    NEW.updated_at := now();
                END IF;
                RETURN NEW;
            END
            $$
    """)
    op.execute("""
        CREATE FUNCTION uuid_by_time() RETURNS uuid
            LANGUAGE plpgsql PARALLEL SAFE
            AS $$
        DECLARE
            micros bigint;
        BEGIN
            IF current_setting('server_version_num')::integer >= 180000 THEN
                RETURN uuidv7();
            END IF;
            micros := extract(epoch FROM clock_timestamp()) * 1000000;
            -- 48 bits of milliseconds; 4 of the version and 12 of the time within one; 64 of a random id.
            RETURN encode(
                substr(int8send(micros / 1000), 3)
                || int2send((7 * 4096 + micros % 1000 * 4096 / 1000)::smallint)
                || substr(uuid_send(gen_random_uuid()), 9),
                'hex'
            )::uuid;
        END
        $$
    """)

    # Tables, sequences and views
    op.execute("""
        CREATE TABLE audit_logs (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid,
            action character varying(100) NOT NULL,
            "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
            details jsonb,
            ip_address inet,
            CONSTRAINT pk_audit_logs PRIMARY KEY (id, "timestamp")
        )
        PARTITION BY RANGE ("timestamp")
    """)
    op.execute("COMMENT ON TABLE audit_logs IS 'What was done, by whom, and when. Rows are only ever added.'")
    op.execute("COMMENT ON COLUMN audit_logs.action IS 'Kind of thing and verb, such as document.create'")
    op.execute("""
        COMMENT ON COLUMN audit_logs."timestamp" IS 'When it was done, by the clock of the database'
    """)
    op.execute("COMMENT ON COLUMN audit_logs.details IS 'What else is known; the keys depend on the action'")
    op.execute("""
        CREATE TABLE audit_logs_before_2030 (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid,
            action character varying(100) NOT NULL,
            "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
            details jsonb,
            ip_address inet,
            CONSTRAINT ck_audit_logs_before_2030_bound
                CHECK (("timestamp" < '2030-01-01 00:00:00+00'::timestamp with time zone)),
            CONSTRAINT pk_audit_logs_before_2030_id_timestamp PRIMARY KEY (id, "timestamp")
        )
    """)
    op.execute("""
        COMMENT ON TABLE audit_logs_before_2030
            IS 'What was done, by whom, and when. Rows are only ever added.'
    """)
    op.execute("""
        COMMENT ON COLUMN audit_logs_before_2030.action IS 'Kind of thing and verb, such as document.create'
    """)
    op.execute("""
        COMMENT ON COLUMN audit_logs_before_2030."timestamp"
            IS 'When it was done, by the clock of the database'
    """)
    op.execute("""
        COMMENT ON COLUMN audit_logs_before_2030.details
            IS 'What else is known; the keys depend on the action'
    """)
    op.execute("""
        CREATE TABLE audit_logs_default (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid,
            action character varying(100) NOT NULL,
            "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
            details jsonb,
            ip_address inet,
            CONSTRAINT pk_audit_logs_default PRIMARY KEY (id, "timestamp")
        )
    """)
    op.execute("""
        CREATE TABLE auth_providers (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid NOT NULL,
            provider character varying(50) NOT NULL,
            credentials text,
            created_at timestamp with time zone DEFAULT now() NOT NULL,
            CONSTRAINT pk_auth_providers PRIMARY KEY (user_id, provider),
            CONSTRAINT uq_auth_providers_id UNIQUE (id)
        )
    """)
    op.execute("""
        CREATE TABLE categories (
            name character varying(100) NOT NULL,
            id bigint GENERATED BY DEFAULT AS IDENTITY NOT NULL,
            parent_id bigint,
            CONSTRAINT pk_categories PRIMARY KEY (id),
            CONSTRAINT uq_categories_parent_id_name UNIQUE NULLS NOT DISTINCT (parent_id, name)
        )
    """)
    op.execute("""
        CREATE TABLE document_pages (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            document_id uuid NOT NULL,
            page_number integer NOT NULL,
            text text,
            CONSTRAINT pk_document_pages PRIMARY KEY (id),
            CONSTRAINT uq_document_pages_document_id_page_number UNIQUE (document_id, page_number) DEFERRABLE
        )
    """)
    op.execute("""
        CREATE TABLE documents (
            id uuid DEFAULT uuid_by_time() NOT NULL,
            user_id uuid NOT NULL,
            title character varying(255) NOT NULL,
            metadata jsonb,
            created_at timestamp with time zone DEFAULT now() NOT NULL,
            updated_at timestamp with time zone DEFAULT now() NOT NULL,
            tags text[] DEFAULT '{}'::text[] NOT NULL,
            priority integer DEFAULT 5 NOT NULL,
            language character varying(35),
            deleted_at timestamp with time zone,
            search tsvector,
            file_size bigint,
            status document_status_enum DEFAULT 'pending'::document_status_enum NOT NULL,
            category_id bigint,
            CONSTRAINT ck_documents_file_size_positive CHECK ((file_size > 0)),
            CONSTRAINT ck_documents_priority_range CHECK (((priority >= 0) AND (priority <= 100))),
            CONSTRAINT pk_documents PRIMARY KEY (id)
        )
        WITH (fillfactor='85', autovacuum_vacuum_scale_factor='0.02',
            autovacuum_vacuum_insert_scale_factor='0.05', autovacuum_analyze_scale_factor='0.01')
    """)
    op.execute("""
        CREATE TABLE roles (
            id integer GENERATED BY DEFAULT AS IDENTITY NOT NULL,
            name character varying(50) NOT NULL,
            CONSTRAINT ck_roles_name_not_blank CHECK ((btrim((name)::text) <> ''::text)),
            CONSTRAINT pk_roles PRIMARY KEY (id),
            CONSTRAINT uq_roles_name UNIQUE (name)
        )
    """)
    op.execute("""
        CREATE TABLE users (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            is_active boolean DEFAULT true NOT NULL,
            created_at timestamp with time zone DEFAULT now() NOT NULL,
            updated_at timestamp with time zone DEFAULT now() NOT NULL,
            phone character varying(20),
            username character varying(150) NOT NULL,
            first_name character varying(200),
            last_name character varying(200),
            role_id integer DEFAULT 2 NOT NULL,
            email text NOT NULL,
            CONSTRAINT ck_users_email_lowercase CHECK ((email = lower(email))),
            CONSTRAINT pk_users PRIMARY KEY (id),
            CONSTRAINT uq_users_email UNIQUE (email),
            CONSTRAINT uq_users_username UNIQUE (username)
        )
    """)
    op.execute("""
        CREATE TABLE webhook_deliveries (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            webhook_id uuid NOT NULL,
            event text NOT NULL,
            status_code integer,
            payload jsonb,
            delivered_at timestamp with time zone DEFAULT now() NOT NULL,
            CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id, delivered_at)
        )
        PARTITION BY RANGE (delivered_at)
    """)
    op.execute("""
        CREATE TABLE webhook_deliveries_default (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            webhook_id uuid NOT NULL,
            event text NOT NULL,
            status_code integer,
            payload jsonb,
            delivered_at timestamp with time zone DEFAULT now() NOT NULL,
            CONSTRAINT pk_webhook_deliveries_default PRIMARY KEY (id, delivered_at)
        )
    """)
    op.execute("""
        CREATE TABLE webhooks (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid NOT NULL,
            name character varying(255) NOT NULL,
            url text NOT NULL,
            events text[] NOT NULL,
            secret character varying(255),
            is_active boolean DEFAULT true NOT NULL,
            created_at timestamp with time zone DEFAULT now() NOT NULL,
            updated_at timestamp with time zone DEFAULT now() NOT NULL,
            CONSTRAINT pk_webhooks PRIMARY KEY (id)
        )
    """)
    op.execute("""
        ALTER TABLE ONLY audit_logs ATTACH PARTITION audit_logs_before_2030
            FOR VALUES FROM (MINVALUE) TO ('2030-01-01 00:00:00+00')
    """)
    op.execute("ALTER TABLE ONLY audit_logs ATTACH PARTITION audit_logs_default DEFAULT")
    op.execute("ALTER TABLE ONLY webhook_deliveries ATTACH PARTITION webhook_deliveries_default DEFAULT")

    # Rows
    op.execute("""
        INSERT INTO roles (id, name) VALUES
            (1, 'admin'),
            (2, 'user'),
            (3, 'reviewer')
    """)
    op.execute("SELECT setval('roles_id_seq', 3, true)")

    # Indexes
    op.execute("CREATE INDEX idx_audit_logs_ip_address ON ONLY audit_logs USING spgist (ip_address)")
    op.execute("""
        CREATE INDEX idx_audit_logs_before_2030_ip_address ON audit_logs_before_2030 USING spgist (ip_address)
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_timestamp_brin ON ONLY audit_logs USING brin ("timestamp")
            WITH (pages_per_range='32', autosummarize='true')
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_before_2030_timestamp_brin ON audit_logs_before_2030
            USING brin ("timestamp") WITH (pages_per_range='32', autosummarize='true')
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_user_id_timestamp ON ONLY audit_logs USING btree (user_id, "timestamp")
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_before_2030_user_id_timestamp ON audit_logs_before_2030
            USING btree (user_id, "timestamp")
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_default_ip_address ON audit_logs_default USING spgist (ip_address)
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_default_timestamp ON audit_logs_default USING brin ("timestamp")
            WITH (pages_per_range='32', autosummarize='true')
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_default_user_id_timestamp ON audit_logs_default
            USING btree (user_id, "timestamp")
    """)
    op.execute("CREATE INDEX idx_documents_category_id ON documents USING btree (category_id)")
    op.execute("""
        CREATE INDEX idx_documents_list ON documents USING btree (created_at) INCLUDE (user_id, title)
            WHERE (deleted_at IS NULL)
    """)
    op.execute("CREATE INDEX idx_documents_metadata ON documents USING gin (metadata jsonb_path_ops)")
    op.execute("""
        CREATE INDEX idx_documents_pending ON documents USING btree (created_at)
            WHERE (status = 'pending'::document_status_enum)
    """)
    op.execute("CREATE INDEX idx_documents_search ON documents USING gin (search)")
    op.execute("CREATE INDEX idx_documents_tags ON documents USING gin (tags)")
    op.execute("CREATE INDEX idx_documents_title_trigram ON documents USING gin (title gin_trgm_ops)")
    op.execute("""
        CREATE INDEX idx_documents_user_id_created_at_id ON documents USING btree (user_id, created_at, id)
    """)
    op.execute("CREATE INDEX idx_users_created_at ON users USING btree (created_at)")
    op.execute("""
        CREATE INDEX idx_users_name_lower ON users
            USING btree (lower((last_name)::text), lower((first_name)::text))
    """)
    op.execute("""
        CREATE INDEX idx_webhook_deliveries_webhook_id_delivered_at ON ONLY webhook_deliveries
            USING btree (webhook_id, delivered_at)
    """)
    op.execute("""
        CREATE INDEX idx_webhook_deliveries_default_webhook_id_delivered_at ON webhook_deliveries_default
            USING btree (webhook_id, delivered_at)
    """)
    op.execute("CREATE INDEX idx_webhooks_url ON webhooks USING hash (url)")
    op.execute("CREATE INDEX idx_webhooks_user_id ON webhooks USING btree (user_id)")
    op.execute("""
        CREATE UNIQUE INDEX uq_webhooks_user_id_url_hash_active ON webhooks USING btree (user_id, md5(url))
            WHERE is_active
    """)
    op.execute("ALTER INDEX idx_audit_logs_ip_address ATTACH PARTITION idx_audit_logs_before_2030_ip_address")
    op.execute("""
        ALTER INDEX idx_audit_logs_timestamp_brin ATTACH PARTITION idx_audit_logs_before_2030_timestamp_brin
    """)
    op.execute("""
        ALTER INDEX idx_audit_logs_user_id_timestamp
            ATTACH PARTITION idx_audit_logs_before_2030_user_id_timestamp
    """)
    op.execute("ALTER INDEX idx_audit_logs_ip_address ATTACH PARTITION idx_audit_logs_default_ip_address")
    op.execute("ALTER INDEX idx_audit_logs_timestamp_brin ATTACH PARTITION idx_audit_logs_default_timestamp")
    op.execute("""
        ALTER INDEX idx_audit_logs_user_id_timestamp ATTACH PARTITION idx_audit_logs_default_user_id_timestamp
    """)
    op.execute("""
        ALTER INDEX idx_webhook_deliveries_webhook_id_delivered_at
            ATTACH PARTITION idx_webhook_deliveries_default_webhook_id_delivered_at
    """)
    op.execute("ALTER INDEX pk_audit_logs ATTACH PARTITION pk_audit_logs_before_2030_id_timestamp")
    op.execute("ALTER INDEX pk_audit_logs ATTACH PARTITION pk_audit_logs_default")
    op.execute("ALTER INDEX pk_webhook_deliveries ATTACH PARTITION pk_webhook_deliveries_default")
    op.execute("CREATE STATISTICS stat_documents_user_id_category_id ON user_id, category_id FROM documents")

    # Triggers
    op.execute("""
        CREATE TRIGGER documents_search_update BEFORE INSERT OR UPDATE OF title, tags, search ON documents
            FOR EACH ROW EXECUTE FUNCTION documents_search_update()
    """)
    op.execute("""
        CREATE TRIGGER touch_updated_at BEFORE UPDATE ON documents FOR EACH ROW
            EXECUTE FUNCTION touch_updated_at()
    """)
    op.execute("""
        CREATE TRIGGER touch_updated_at BEFORE UPDATE ON users FOR EACH ROW
            EXECUTE FUNCTION touch_updated_at()
    """)
    op.execute("""
        CREATE TRIGGER touch_updated_at BEFORE UPDATE ON webhooks FOR EACH ROW
            EXECUTE FUNCTION touch_updated_at()
    """)

    # Foreign keys
    op.execute("""
        ALTER TABLE audit_logs
            ADD CONSTRAINT fk_audit_logs_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE SET NULL
    """)
    op.execute("""
        ALTER TABLE ONLY auth_providers
            ADD CONSTRAINT fk_auth_providers_user_id FOREIGN KEY (user_id) REFERENCES users(id)
                ON DELETE CASCADE
    """)
    op.execute("""
        ALTER TABLE ONLY categories
            ADD CONSTRAINT fk_categories_parent_id FOREIGN KEY (parent_id) REFERENCES categories(id)
    """)
    op.execute("""
        ALTER TABLE ONLY document_pages
            ADD CONSTRAINT fk_document_pages_document_id FOREIGN KEY (document_id) REFERENCES documents(id)
                ON DELETE CASCADE
    """)
    op.execute("""
        ALTER TABLE ONLY documents
            ADD CONSTRAINT fk_documents_category_id FOREIGN KEY (category_id) REFERENCES categories(id)
                ON DELETE SET NULL
    """)
    op.execute("""
        ALTER TABLE ONLY documents
            ADD CONSTRAINT fk_documents_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
    """)
    op.execute("""
        ALTER TABLE ONLY users
            ADD CONSTRAINT fk_users_role_id FOREIGN KEY (role_id) REFERENCES roles(id)
    """)
    op.execute("""
        ALTER TABLE webhook_deliveries
            ADD CONSTRAINT fk_webhook_deliveries_webhook_id FOREIGN KEY (webhook_id) REFERENCES webhooks(id)
                ON DELETE CASCADE
    """)
    op.execute("""
        ALTER TABLE ONLY webhooks
            ADD CONSTRAINT fk_webhooks_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE
    """)
    op.execute("CREATE PUBLICATION feed WITH (publish = 'insert, update, delete, truncate')")
    op.execute("ALTER PUBLICATION feed ADD TABLE ONLY documents")


def downgrade() -> None:
    op.execute("DROP PUBLICATION feed")
    op.execute("""
        DROP TABLE webhooks, webhook_deliveries_default, webhook_deliveries, users, roles, documents,
            document_pages, categories, auth_providers, audit_logs_default, audit_logs_before_2030, audit_logs
    """)
    op.execute("DROP FUNCTION uuid_by_time()")
    op.execute("DROP FUNCTION touch_updated_at()")
    op.execute("DROP FUNCTION make_webhook_deliveries_partitions(months integer)")
    op.execute("DROP FUNCTION documents_search_update()")
    op.execute("DROP TYPE document_status_enum")
    op.execute("DROP EXTENSION pg_trgm")
