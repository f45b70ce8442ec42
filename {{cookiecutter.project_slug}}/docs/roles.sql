-- Roles for one database. Each role gets only the rights that it needs:
--
--   owner  owns the tables and migrates them            MIGRATION_DATABASE_URL
--   app    reads and writes rows, and nothing else      DATABASE_URL
--   plan   if it has a password: plans a deploy (deploy --dry-run); it may change nothing and read
--          no row                                       MIGRATION_DATABASE_URL of the person who plans
--
-- Run it with psql 15 or later, in the database, as a superuser or as the role that owns the
-- database and has CREATEROLE:
--
--   OWNER_PASSWORD=… APP_PASSWORD=… PLAN_PASSWORD=… psql --file=docs/roles.sql
--
-- Run it once before the first migration, and once after it: the script can take rights on a table only
-- after the table exists. You can run it again at any time. Schemas and tables that exist already get
-- the new owner; that waits for a lock on each of them, for two seconds at most.
--
-- Name the tables that the application may read and add rows to, but not change, such as a log:
-- --set=append_only='log, billing.entries'. Or write them in the line below, so that each run has them.
--
-- Other names of roles: --set=owner=… --set=app=… --set=plan=…. If the environment has no password for a
-- role, the role keeps its password; psql's \password sets one. If the server logs statements
-- (log_statement = ddl), give a SCRAM verifier instead of a password.

\set ON_ERROR_STOP on
\if :{?owner}
\else
    \set owner {{ cookiecutter.database_name }}_owner
\endif
\if :{?app}
\else
    \set app {{ cookiecutter.database_name }}_app
\endif
\if :{?plan}
\else
    \set plan {{ cookiecutter.database_name }}_plan
\endif
\if :{?append_only}
\else
    \set append_only ''
\endif
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
\getenv plan_password PLAN_PASSWORD

BEGIN;
SET LOCAL lock_timeout = '2s';

SELECT format('CREATE ROLE %I', name) FROM (VALUES (:'owner'), (:'app')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE :"owner" LOGIN;
ALTER ROLE :"app" LOGIN;
\if :{?owner_password}
    ALTER ROLE :"owner" PASSWORD :'owner_password';
\endif
\if :{?app_password}
    ALTER ROLE :"app" PASSWORD :'app_password';
\endif

-- To give a table to a role, one must be a member of that role. This is revoked at the end.
GRANT :"owner" TO CURRENT_USER;

-- So the owner can see the application's sessions that block a migration, and may terminate them.
GRANT :"app" TO :"owner";

-- A backfill slows down while a replica is far behind. To see that, the owner needs the right to read the
-- statistics of all roles. Grant it if there is a replica, and if this role may grant it:
SELECT format('GRANT pg_read_all_stats TO %I', :'owner') FROM pg_roles
WHERE rolname = current_user AND EXISTS (SELECT FROM pg_stat_replication) AND (
    pg_has_role('pg_read_all_stats', 'MEMBER WITH ADMIN OPTION')
    OR rolcreaterole AND current_setting('server_version_num')::integer < 160000
) \gexec

-- Every role on the server has the rights of PUBLIC, so they are revoked. From now on other roles (backups,
-- monitoring) need a GRANT CONNECT of their own. CREATE is for schemas and for trusted extensions such as
-- pg_trgm; TEMPORARY is for the temporary tables of backfills and of alembic check.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC, :"app";
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE :"DBNAME" TO :"owner";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"app";

-- All schemas except the system's, those of extensions, and those whose owner's rights this role lacks.
CREATE TEMPORARY VIEW schemas AS
SELECT oid, nspname AS name, nspowner AS owner FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND pg_has_role(nspowner, 'USAGE')
AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_namespace'::regclass AND objid = pg_namespace.oid AND deptype = 'e'
);

SELECT format('ALTER SCHEMA %I OWNER TO %I', name, :'owner') FROM schemas
WHERE pg_get_userbyid(owner) <> :'owner' AND oid >= 16384 -- not the schema public of a new database
\gexec
SELECT format(statement, name, :'owner', :'app') FROM schemas, (VALUES
    (1, 'REVOKE ALL ON SCHEMA %1$I FROM PUBLIC, %3$I'),
    (2, 'GRANT USAGE, CREATE ON SCHEMA %1$I TO %2$I'),
    (3, 'GRANT USAGE ON SCHEMA %1$I TO %3$I')
) AS grants (number, statement) ORDER BY oid, number \gexec

-- The objects that they have already, except those of extensions, and the sequences that follow their
-- table.
SELECT format('ALTER %s %s OWNER TO %I', kind, object.name, :'owner') FROM (
    SELECT 'pg_class'::regclass AS catalogue, c.oid, relowner AS owner, c.oid::regclass::text AS name,
        CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
        WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
    FROM pg_class AS c JOIN schemas ON schemas.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, typowner, format_type(t.oid, NULL), 'TYPE'
    FROM pg_type AS t JOIN schemas ON schemas.oid = typnamespace LEFT JOIN pg_class AS c ON c.oid = typrelid
    WHERE typtype IN ('e', 'd', 'r') OR relkind = 'c'
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, proowner, p.oid::regprocedure::text, 'ROUTINE'
    FROM pg_proc AS p JOIN schemas ON schemas.oid = pronamespace
) AS object
WHERE pg_get_userbyid(owner) <> :'owner' AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = catalogue AND objid = object.oid AND objsubid = 0 AND deptype IN ('e', 'a', 'i')
) \gexec

-- Only rights on rows: no TRUNCATE, no DDL.
SELECT format(statement, name, :'app') FROM schemas, (VALUES
    (1, 'REVOKE ALL ON ALL TABLES IN SCHEMA %1$I FROM PUBLIC, %2$I'),
    (2, 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %1$I TO %2$I'),
    (3, 'GRANT USAGE ON ALL SEQUENCES IN SCHEMA %1$I TO %2$I')
) AS grants (number, statement) ORDER BY oid, number \gexec

-- The same for every schema and table that the owner creates from now on.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT USAGE ON SCHEMAS TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT USAGE ON SEQUENCES TO :"app";

-- Only migrations may write the version, in a table of whatever name, and the history.
CREATE TEMPORARY VIEW books AS
SELECT c.oid::regclass AS name FROM pg_class AS c JOIN schemas ON schemas.oid = relnamespace
WHERE relkind = 'r' AND (relname IN ('alembic_version', 'migrate_history') OR ARRAY['version_num'] = ARRAY(
    SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
));
SELECT format('REVOKE INSERT, UPDATE, DELETE ON %s FROM %I', name, :'app') FROM books \gexec

-- The application may only read a log, with its partitions, and add rows. A foreign key may still set a
-- column to NULL: it works with the owner's rights.
SELECT format('REVOKE UPDATE, DELETE ON %s FROM %I', relid, :'app')
FROM regexp_split_to_table(:'append_only', '\s*,\s*') AS name, to_regclass(nullif(name, '')) AS log,
    LATERAL (SELECT log UNION SELECT relid FROM pg_partition_tree(log)) AS whole (relid)
WHERE relid IS NOT NULL \gexec

-- The role that plans can read the catalogue, as every role can, and the database's revision.
SELECT :{?plan_password} OR EXISTS (SELECT FROM pg_roles WHERE rolname = :'plan') AS plans \gset
\if :plans
    SELECT format('CREATE ROLE %I', :'plan')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'plan') \gexec
    ALTER ROLE :"plan" LOGIN;
    ALTER ROLE :"plan" SET default_transaction_read_only = on;
    \if :{?plan_password}
        ALTER ROLE :"plan" PASSWORD :'plan_password';
    \endif
    REVOKE ALL ON DATABASE :"DBNAME" FROM :"plan";
    GRANT CONNECT ON DATABASE :"DBNAME" TO :"plan";
    SELECT format(statement, name, :'plan') FROM schemas, (VALUES
        (1, 'REVOKE ALL ON SCHEMA %1$I FROM %2$I'),
        (2, 'REVOKE ALL ON ALL TABLES IN SCHEMA %1$I FROM %2$I'),
        (3, 'GRANT USAGE ON SCHEMA %1$I TO %2$I')
    ) AS grants (number, statement) ORDER BY oid, number \gexec
    SELECT format('GRANT SELECT ON %s TO %I', name, :'plan') FROM books \gexec
\endif

DROP VIEW books, schemas;
REVOKE :"owner" FROM CURRENT_USER;
COMMIT;
