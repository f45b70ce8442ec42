"""How to take back a drop, where Alembic's own way loses a part of what there was.

It goes by reflection, which knows no exclusion constraint, no DEFERRABLE, no NOT VALID, no
partition, no trigger and no policy. The server writes each of them down as a statement.
"""

from alembic.operations import ops
from sqlalchemy import Connection, Constraint, PrimaryKeyConstraint, text
from sqlalchemy.schema import SchemaItem

from migrate.autogenerate import trial
from migrate.autogenerate.operations import Statement

CONSTRAINT = text(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conrelid = CAST(:table AS regclass) AND conname = :name"
)

TABLE = text("""
    SELECT CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) END, relpersistence = 'u'
    FROM pg_class WHERE oid = CAST(:table AS regclass)
""")

# What is to be done once the table is there: in which order, the constraint that it is about, and
# the statement. A table gets its primary key in any case.
AFTERWARDS = text(r"""
    WITH of AS (SELECT CAST(:table AS regclass) AS oid)
    SELECT 0, conname, format('ALTER TABLE %s %sADD CONSTRAINT %I %s', of.oid,
        CASE contype WHEN 'p' THEN format('DROP CONSTRAINT %I, ', conname) ELSE '' END, conname, definition)
    FROM of JOIN pg_constraint ON conrelid = of.oid, pg_get_constraintdef(pg_constraint.oid) AS definition
    WHERE contype = 'x' OR contype IN ('p', 'u', 'f', 'c') AND conparentid = 0 AND conislocal
        AND (definition ~ '(WITHOUT OVERLAPS|PERIOD |MATCH FULL|NOT VALID|NO INHERIT|NOT ENFORCED)'
            OR contype IN ('p', 'u') AND condeferrable)
    UNION ALL
    SELECT 0, conname, NULL FROM of JOIN pg_constraint ON conrelid = of.oid WHERE conparentid <> 0
    UNION ALL
    SELECT level, NULL, format('CREATE TABLE %s PARTITION OF %s %s%s', relid, parentrelid,
        pg_get_expr(relpartbound, relid), ' PARTITION BY ' || pg_get_partkeydef(relid))
    FROM of, pg_partition_tree(of.oid) JOIN pg_class ON pg_class.oid = relid WHERE level > 0
    UNION ALL
    SELECT 100, NULL, pg_get_triggerdef(pg_trigger.oid, true)
    FROM of JOIN pg_trigger ON tgrelid = of.oid WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT 100, NULL, pg_get_statisticsobjdef(pg_statistic_ext.oid)
    FROM of JOIN pg_statistic_ext ON stxrelid = of.oid
    UNION ALL
    SELECT 100, NULL, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, of.oid,
        CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
            FROM unnest(polroles) AS role),
        ' USING (' || pg_get_expr(polqual, polrelid) || ')',
        ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
    FROM of JOIN pg_policy ON polrelid = of.oid
    UNION ALL
    SELECT 100, NULL, format('ALTER TABLE %s %s ROW LEVEL SECURITY', of.oid, action)
    FROM of JOIN pg_class USING (oid), (VALUES ('ENABLE'), ('FORCE')) AS change (action)
    WHERE CASE action WHEN 'FORCE' THEN relforcerowsecurity ELSE relrowsecurity END
    ORDER BY 1, 3
""")


def undo(connection: Connection, op: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    """Return what takes an operation back.

    Args:
        connection: the database, in which it has not run yet.
        op: the operation.
    """
    match op:
        case ops.DropTableOp():
            return _undropped_table(connection, op)
        case ops.DropConstraintOp(constraint_type="unique"):
            table = trial.quoted(connection, op.schema, op.table_name)
            definition = connection.scalar(CONSTRAINT, {"table": table, "name": op.constraint_name})
            name = trial.quoted(connection, None, str(op.constraint_name))
            return [Statement(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")]
    return [op.reverse()]


def _undropped_table(connection: Connection, op: ops.DropTableOp) -> list[ops.MigrateOperation]:
    table = {"table": trial.quoted(connection, op.schema, op.table_name)}
    created = op.reverse()
    partition_by, unlogged = connection.execute(TABLE, table).one()
    if partition_by:
        created.kw["postgresql_partition_by"] = partition_by
    if unlogged:
        created.prefixes = ["UNLOGGED"]
    afterwards = connection.execute(AFTERWARDS, table).all()
    instead = {name for _, name, _ in afterwards}

    def stays(item: SchemaItem) -> bool:
        replaced = isinstance(item, Constraint) and item.name in instead
        return not replaced or isinstance(item, PrimaryKeyConstraint)

    created.columns = list(filter(stays, created.columns))
    return [created, *(Statement(sql) for *_, sql in afterwards if sql)]
