"""A sealed plan: what a deploy is going to do, so that what was looked at is what runs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from migrate.chain import Revision
from migrate.run.history import digest_of

# What it is made of, in the order of its digits, and in words.
PARTS = {
    "revisions": "the pending revisions or their order",
    "files": "the files of the revisions",
    "sql": "the SQL that they run",
    "target": "the database",
    "state": "the revision or the schema that the database is at",
}
DIGITS = 16
SEAL = re.compile(rf"[0-9a-f]{{{DIGITS}}}(-[0-9a-f]{{{DIGITS}}}){{{len(PARTS) - 1}}}")

# A copy of a database has another OID, or is on another server. Its address depends on who asks.
TARGET = text("SELECT current_database() || ' ' || oid FROM pg_database WHERE datname = current_database()")
SERVER = text("SELECT system_identifier::text FROM pg_control_system()")

# Every name with its schema: what a role has in its search_path does not count.
PLAIN = text("SELECT set_config('search_path', 'pg_catalog', true)")
# Partitions come and go by themselves, and so do what an extension has and the migrations' own tables.
# pg_get_expr and its like would wait for a session that has locked a table. In a ROW, NULL has its place.
SCHEMA = text("""
    WITH relation AS (
        SELECT c.oid, nspname, relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition
        AND relname NOT IN (:version_table, 'migrate_history')
        AND nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
    )
    SELECT md5(coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE "C"), '')) FROM (
        SELECT ROW('column', nspname, relname, attname, format_type(atttypid, atttypmod),
            attcollation, attnotnull, attidentity, attgenerated, adbin)::text
        FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        UNION ALL
        SELECT ROW('constraint', nspname, relname, conname, contype, condeferrable, condeferred,
            convalidated, conkey, confrelid, confkey, confupdtype, confdeltype, confmatchtype, conexclop,
            conbin)::text
        FROM relation JOIN pg_constraint AS con ON conrelid = relation.oid
        UNION ALL
        SELECT ROW('index', nspname, relname, indexrelid::regclass, indisunique,
            indisvalid, indnullsnotdistinct, indnkeyatts, indkey, indcollation, indclass, indoption, indexprs,
            indpred)::text
        FROM relation JOIN pg_index ON indrelid = relation.oid
        UNION ALL
        SELECT ROW('trigger', nspname, relname, tgname, tgfoid::regprocedure, tgtype, tgenabled,
            tgdeferrable, tginitdeferred, tgattr, tgargs, tgqual, tgoldtable, tgnewtable)::text
        FROM relation JOIN pg_trigger AS t ON tgrelid = relation.oid AND NOT tgisinternal
        UNION ALL
        SELECT ROW('rule', nspname, relname, rulename, ev_qual, ev_action)::text
        FROM relation JOIN pg_rewrite ON ev_class = relation.oid
        UNION ALL
        SELECT ROW('function', nspname, p.oid::regprocedure, md5(prosrc))::text
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
        UNION ALL
        SELECT ROW('label', format_type(enumtypid, NULL), enumsortorder, enumlabel)::text FROM pg_enum
    ) AS found (line)
""")


@dataclass(frozen=True)
class Plan:
    """What a deploy does, as digests by the names of `PARTS`."""

    revisions: str
    files: str
    sql: str
    target: str
    state: str

    def __str__(self) -> str:
        return "-".join(getattr(self, name) for name in PARTS)


def made(
    migration: MigrationContext, at: Sequence[str], pending: Sequence[Revision], sql: str | None
) -> Plan:
    """Return the plan of a deploy.

    Args:
        migration: of a connection to the database; its transaction is rolled back.
        at: the revisions that it is at.
        pending: what is to run.
        sql: what that sends; None where it depends on what is in the database.
    """
    connection = migration.connection
    assert connection is not None
    own = {"version_table": migration.version_table}
    try:
        with connection.begin_nested():
            server = connection.scalar(SERVER)
    except ProgrammingError:  # a service that keeps it to itself
        server = ""
    connection.execute(PLAIN)
    target, schema = connection.scalar(TARGET), connection.scalar(SCHEMA, own)
    connection.rollback()
    return Plan(
        revisions=_digest(*(each.id for each in pending)),
        files=_digest(*(f"{each.id} {digest_of(each.path)}" for each in pending)),
        sql=_digest("" if sql is None else sql),
        target=_digest(f"{server} {target}"),
        state=_digest(*at, str(schema)),
    )


def refuse_another(sealed: str, plan: Plan, again: str) -> None:
    """Go on only if a plan is the one that was sealed.

    Args:
        sealed: as it was printed.
        plan: as it is now.
        again: the command that makes a new one.

    Raises:
        CommandError: it is another; the message says in what.
    """
    if not SEAL.fullmatch(sealed):
        raise CommandError(f"--plan {sealed}: that is no plan; {again} prints one")
    parts = zip(PARTS.items(), sealed.split("-"), strict=True)
    if differs := [words for (name, words), digits in parts if getattr(plan, name) != digits]:
        raise CommandError(
            f"this is not what was planned. Not the same any more: {', '.join(differs)}. "
            f"{again} makes a new plan"
        )


def _digest(*lines: str) -> str:
    return sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]
