-- Two roles for one database, each with no more than it needs:
--
--   owner  owns the tables and migrates them          MIGRATION_DATABASE_URL
--   app    reads and writes rows, and nothing else    DATABASE_URL
--
-- Run it with psql 15 or later, in the database, as a superuser or as the role that owns the
-- database and has CREATEROLE:
--
--   OWNER_PASSWORD=… APP_PASSWORD=… psql --file=docs/roles.sql
--
-- once before the first migration and once after it: the tables that the application may not
-- write everything in must be there to be taken from it. It can be run at any time, and again.
-- Where tables are there already, they change hands; that waits for a lock on each of them,
-- for two seconds at most.
--
-- Other names: --set=owner=… --set=app=…. Without a password in the environment a role keeps
-- the one it has, and psql's \password sets one. It may be a SCRAM verifier instead, where the
-- server logs statements (log_statement = ddl).

\set ON_ERROR_STOP on
\if :{?owner}
\else
    \set owner {{ cookiecutter.database_name }}_owner
\endif
\if :{?app}
\else
    \set app {{ cookiecutter.database_name }}_app
\endif
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD

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

-- Who hands a table over must be a member of the role that gets it. Taken back at the end.
GRANT :"owner" TO CURRENT_USER;

-- A migration sees the sessions of the application that hold it up, and may end them.
GRANT :"app" TO :"owner";

-- What PUBLIC has is for everybody on the server: other roles (backups, monitoring) need a
-- GRANT CONNECT of their own from here on. CREATE is for trusted extensions such as pg_trgm,
-- TEMPORARY for backfills that keep notes.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC, :"app";
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE :"DBNAME" TO :"owner";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"app";
REVOKE ALL ON SCHEMA public FROM PUBLIC, :"app";
GRANT USAGE, CREATE ON SCHEMA public TO :"owner";
GRANT USAGE ON SCHEMA public TO :"app";

-- What is there already, less what belongs to an extension, and the sequences that go with
-- their table.
SELECT format('ALTER %s %s OWNER TO %I', kind, name, :'owner') FROM (
    SELECT 'pg_class'::regclass AS catalogue, oid, relowner AS owner, oid::regclass::text AS name,
        CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
        ELSE 'TABLE' END AS kind
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typowner, format_type(oid, NULL), 'TYPE'
    FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd', 'r')
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, proowner, oid::regprocedure::text, 'ROUTINE'
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind <> 'a'
) AS object
WHERE pg_get_userbyid(owner) <> :'owner' AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = catalogue AND objid = object.oid AND objsubid = 0 AND deptype IN ('e', 'a', 'i')
) \gexec

-- Rows, and nothing else: no TRUNCATE, no DDL. The same for every table to come.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"app";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE ON SEQUENCES TO :"app";

-- Less than that: the version is the migrations' alone. A table of yours that is only added to,
-- and read, belongs here too: ('audit_log', 'UPDATE, DELETE'). A foreign key's ON DELETE still
-- works on it, with the owner's rights.
SELECT format('REVOKE %s ON %I FROM %I', privileges, name, :'app') FROM (VALUES
{% if cookiecutter.history != "empty" %}
    ('audit_logs', 'UPDATE, DELETE'),
{% endif %}
    ('alembic_version', 'INSERT, UPDATE, DELETE')
) AS exception (name, privileges)
WHERE to_regclass(format('public.%I', name)) IS NOT NULL \gexec

REVOKE :"owner" FROM CURRENT_USER;
COMMIT;
