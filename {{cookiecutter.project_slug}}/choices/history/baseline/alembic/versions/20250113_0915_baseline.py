"""Baseline: the schema and the rows of 105 revisions in one.

It builds from nothing what 20250106_0900_create_initial_schema to
20250113_0915_index_webhook_deliveries built one after the other, and keeps the id of the last. A
database at 9bf00ca5ad98 or later needs nothing. One before it needs the old files: upgrade it to
9bf00ca5ad98 with them.

Written by `python -m migrate squash --to 9bf00ca5ad98` from a dump of a database that the old files
had built, and proven to build one whose dump is the same. It takes the place of

500fa5097340, 1ff8cf3d5c33, 0437dd8cd305, 266b40b53474, ef7c2db4637e, 13d1e1f02fe1, a63c9ff2eba1,
c50e2cb9db69, c8d8c5aea4e6, 6a55a98a3f87, ef3a5687856c, 5b457dafcbef, 5f12b0178a8d, 2b44e9bc47a8,
0a61a265e463, 37f794e57584, 2c90f13e0c65, 2bef6fc95906, b7aab5a7317f, 29c899d1337f, 42429aad43c0,
f37b872d32ce, 02ae3ba14c66, c51cd31ba9ec, 9f8c38a89680, c9c591e117c3, 0cfe889a3fbc, 96ee608fccce,
c80c4e1332e2, 39f2de0a137a, 9db0b2aa85b7, 3b7954895765, 2e966ad8d632, 0e534b91b946, 65747645c3f8,
d33168ce29e4, 7e870b0d2459, c1cc8ac64f70, ad2169ecadb0, 999bbbe59a99, c6f74740f142, 4bb17fb4df05,
f9b2fe528e5c, cb294da69df4, 96c97549c29a, aba3ac0c53e4, 5c81cd51a659, c16c3b40d858, d68f509dcf7a,
cd47ea8cd68e, 274a9aebd602, b3679a7c963e, 5acb292806c0, 596f435509ae, 8e451ee7df19, 2f45575e6116,
f3ccaa583311, 145f7e35f46c, bfe98fa14bba, 547cdb477749, 9cb7e3766e97, 9a46fcf04bfc, aa266fe1a1aa,
d909e28f4970, 0df07711614a, be07d77c8995, 5a0ada7809b7, 985743aa6b7f, 5f84432ad7bc, 1d1c14920316,
193b6a298a4f, dfd5019acd03, d659e26c2766, 840a103e19e5, 73aaec983b32, d275a41c90cf, 51848670bc63,
4ac510b78bdf, 292ed5613f03, 86d9e678f975, 269e2147fb56, b4313cb5b409, 08450f30feae, 27b222c6f5b0,
fe51751ecf7d, 9f132f1842b7, daa14cfea465, 0cf062225c5f, b88a542d5c58, de0b582e1f22, 87cf85610cce,
a3838bc0b681, d647f61ec8a9, f3d4dfcebecf, a193d5b4c1e4, e80c832f6da1, f756c40e7550, da9040c27137,
71eaeeeae894, f38b01026799, 4cccd73bc039, a877969939f6, 50048051644a, 1994929fd1ac.

Scenario: start from the schema as it is, without its history
Instead of: 105 revisions on every new database
Locks: none on tables that exist
Rollback: loses every table and every row
Deploy: when every database is at 9bf00ca5ad98 or later

Revision ID: 9bf00ca5ad98
Revises:
Create Date: 2025-01-13 09:15:00.000000+00:00
"""

from alembic import op

revision = "9bf00ca5ad98"
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

    # Tables, sequences and views
    op.execute("""
        CREATE TABLE audit_logs (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid,
            action character varying(100) NOT NULL,
            "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
            details jsonb,
            ip_address inet,
            CONSTRAINT pk_audit_logs PRIMARY KEY (id)
        )
    """)
    op.execute("COMMENT ON TABLE audit_logs IS 'What was done, by whom, and when. Rows are only ever added.'")
    op.execute("COMMENT ON COLUMN audit_logs.action IS 'Kind of thing and verb, such as document.create'")
    op.execute("""
        COMMENT ON COLUMN audit_logs."timestamp" IS 'When it was done, by the clock of the database'
    """)
    op.execute("COMMENT ON COLUMN audit_logs.details IS 'What else is known; the keys depend on the action'")
    op.execute("""
        CREATE TABLE auth_providers (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid NOT NULL,
            provider character varying(50) NOT NULL,
            credentials text,
            created_at timestamp with time zone DEFAULT now() NOT NULL,
            CONSTRAINT pk_auth_providers PRIMARY KEY (id),
            CONSTRAINT uq_auth_providers_user_id_provider UNIQUE (user_id, provider)
        )
    """)
    op.execute("""
        CREATE TABLE categories (
            id integer GENERATED BY DEFAULT AS IDENTITY NOT NULL,
            name character varying(100) NOT NULL,
            parent_id integer,
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
            CONSTRAINT uq_document_pages_document_id_page_number UNIQUE (document_id, page_number)
        )
    """)
    op.execute("""
        CREATE TABLE documents (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            user_id uuid NOT NULL,
            title character varying(255) NOT NULL,
            category_id integer,
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
            CONSTRAINT ck_documents_file_size_positive CHECK ((file_size > 0)),
            CONSTRAINT ck_documents_priority_range CHECK (((priority >= 0) AND (priority <= 100))),
            CONSTRAINT pk_documents PRIMARY KEY (id)
        )
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
        CREATE TABLE webhook_deliveries_2025_02 (
            id uuid DEFAULT gen_random_uuid() NOT NULL,
            webhook_id uuid NOT NULL,
            event text NOT NULL,
            status_code integer,
            payload jsonb,
            delivered_at timestamp with time zone DEFAULT now() NOT NULL,
            CONSTRAINT pk_webhook_deliveries_2025_02 PRIMARY KEY (id, delivered_at)
        )
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
        ALTER TABLE ONLY webhook_deliveries ATTACH PARTITION webhook_deliveries_2025_02
            FOR VALUES FROM ('2025-02-01 00:00:00+00') TO ('2025-03-01 00:00:00+00')
    """)
    op.execute("ALTER TABLE ONLY webhook_deliveries ATTACH PARTITION webhook_deliveries_default DEFAULT")

    # Rows
    op.execute("""
        INSERT INTO roles (id, name) VALUES
            (1, 'admin'),
            (2, 'user'),
            (3, 'reviewer')
    """)
    op.execute("SELECT setval('public.roles_id_seq', 3, true)")

    # Indexes
    op.execute("CREATE INDEX idx_audit_logs_ip_address ON audit_logs USING spgist (ip_address)")
    op.execute("""
        CREATE INDEX idx_audit_logs_timestamp_brin ON audit_logs USING brin ("timestamp")
            WITH (pages_per_range='32', autosummarize='true')
    """)
    op.execute("""
        CREATE INDEX idx_audit_logs_user_id_timestamp ON audit_logs USING btree (user_id, "timestamp")
    """)
    op.execute("CREATE INDEX idx_document_pages_document_id ON document_pages USING btree (document_id)")
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
    op.execute("""
        CREATE INDEX idx_users_name_lower ON users
            USING btree (lower((last_name)::text), lower((first_name)::text))
    """)
    op.execute("""
        CREATE INDEX idx_webhook_deliveries_webhook_id_delivered_at ON ONLY webhook_deliveries
            USING btree (webhook_id, delivered_at)
    """)
    op.execute("""
        CREATE INDEX idx_webhook_deliveries_2025_02_webhook_id_delivered_at ON webhook_deliveries_2025_02
            USING btree (webhook_id, delivered_at)
    """)
    op.execute("""
        CREATE INDEX idx_webhook_deliveries_default_webhook_id_delivered_at ON webhook_deliveries_default
            USING btree (webhook_id, delivered_at)
    """)
    op.execute("CREATE INDEX idx_webhooks_url ON webhooks USING hash (url)")
    op.execute("CREATE INDEX idx_webhooks_user_id ON webhooks USING btree (user_id)")
    op.execute("""
        CREATE UNIQUE INDEX uq_webhooks_user_id_url_active ON webhooks USING btree (user_id, url)
            WHERE is_active
    """)
    op.execute("""
        ALTER INDEX idx_webhook_deliveries_webhook_id_delivered_at
            ATTACH PARTITION idx_webhook_deliveries_2025_02_webhook_id_delivered_at
    """)
    op.execute("""
        ALTER INDEX idx_webhook_deliveries_webhook_id_delivered_at
            ATTACH PARTITION idx_webhook_deliveries_default_webhook_id_delivered_at
    """)
    op.execute("ALTER INDEX pk_webhook_deliveries ATTACH PARTITION pk_webhook_deliveries_2025_02")
    op.execute("ALTER INDEX pk_webhook_deliveries ATTACH PARTITION pk_webhook_deliveries_default")

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
        ALTER TABLE ONLY audit_logs
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


def downgrade() -> None:
    op.execute("""
        DROP TABLE webhooks, webhook_deliveries_default, webhook_deliveries_2025_02, webhook_deliveries,
            users, roles, documents, document_pages, categories, auth_providers, audit_logs
    """)
    op.execute("DROP FUNCTION touch_updated_at()")
    op.execute("DROP FUNCTION documents_search_update()")
    op.execute("DROP TYPE document_status_enum")
    op.execute("DROP EXTENSION pg_trgm")
