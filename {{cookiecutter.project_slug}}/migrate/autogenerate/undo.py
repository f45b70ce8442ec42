"""How to undo a change.

Alembic's own way is reflection, which does not know exclusion constraints, DEFERRABLE, operator
classes, collations, storage parameters, partitions, triggers and policies. The server prints each of
them as a statement.
"""

import re
from collections.abc import Iterable
from copy import copy

from alembic.operations import ops
from sqlalchemy import Connection, text

from migrate.autogenerate.operations import Statement
from migrate.autogenerate.trial import quoted

Operations = list[ops.MigrateOperation]

# A column in the form of CREATE TABLE and ADD COLUMN, the statement for its own sequence if it has one,
# and the statements that follow.
COLUMNS = text("""
    SELECT attname::text,
        concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
            CASE attcompression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END,
            CASE WHEN attcollation <> typcollation THEN 'COLLATE ' || attcollation::regcollation END,
            CASE
                WHEN attgenerated = 's' THEN format('GENERATED ALWAYS AS (%s) STORED', value)
                WHEN attgenerated = 'v' THEN format('GENERATED ALWAYS AS (%s) VIRTUAL', value)
                WHEN relispartition AND attidentity <> '' THEN NULL  -- comes of the parent
                WHEN attidentity <> '' THEN format('GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
                    CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, seqrelid::regclass,
                    options)
                ELSE 'DEFAULT ' || value
            END,
            CASE WHEN attnotnull AND required THEN 'NOT NULL' END),
        CASE WHEN attidentity = '' AND seqrelid IS NOT NULL THEN
            format('CREATE %sSEQUENCE %s AS %s %s', unlogged, seqrelid::regclass, seqtypid::regtype, options)
            END,
        array_remove(ARRAY[
            CASE WHEN attidentity = '' AND seqrelid IS NOT NULL THEN
                format('ALTER SEQUENCE %s OWNED BY %s.%I', seqrelid::regclass, attrelid::regclass, attname)
                END,
            format('COMMENT ON COLUMN %s.%I IS ', attrelid::regclass, attname)
                || quote_literal(col_description(attrelid, attnum)),
            format('COMMENT ON SEQUENCE %s IS ', seqrelid::regclass)
                || quote_literal(obj_description(seqrelid, 'pg_class')),
            CASE WHEN attstorage <> typstorage THEN format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE %s',
                attrelid::regclass, attname, CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                    WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) END,
            CASE WHEN attstattarget >= 0 THEN format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s',
                attrelid::regclass, attname, attstattarget) END,
            format('ALTER TABLE %s ALTER COLUMN %I SET (', attrelid::regclass, attname)
                || (SELECT string_agg(each, ', ') FROM unnest(attoptions) AS each
                    WHERE each NOT LIKE 'pg_attver=%') || ')'
        ], NULL)
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid JOIN pg_class AS c ON c.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    CROSS JOIN LATERAL (SELECT pg_get_expr(adbin, adrelid) AS value, NOT EXISTS (
        SELECT FROM pg_constraint WHERE contype = 'n' AND conrelid = attrelid AND conkey = ARRAY[attnum]
            AND (conname <> left(format('%s_%s_not_null', relname, attname), 63) OR connoinherit
                OR NOT convalidated)) AS required) AS said
    LEFT JOIN LATERAL (
        SELECT pg_sequence.*, CASE s.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END AS unlogged,
            format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s', seqstart,
                seqincrement, seqmin, seqmax, seqcache, CASE WHEN seqcycle THEN ' CYCLE' END) AS options
        FROM pg_depend JOIN pg_sequence ON seqrelid = objid JOIN pg_class AS s ON s.oid = seqrelid
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
            AND refobjid = attrelid AND refobjsubid = attnum AND deptype IN ('a', 'i')
        LIMIT 1
    ) AS owned ON true
    WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped
        AND CASE WHEN CAST(:column AS text) IS NULL THEN attislocal OR relispartition
            ELSE attname = :column END
    ORDER BY attnum
""")

# A table's own constraints: name, whether it may be in CREATE TABLE, which makes one of two keys that are
# alike, definition, and the table that it refers to. A partition must have those of its parent, except
# foreign keys, before it is attached.
CONSTRAINTS = text("""
    SELECT conname::text, convalidated AND 1 = row_number() OVER (
            PARTITION BY regexp_replace(pg_get_constraintdef(c.oid), '^(PRIMARY KEY|UNIQUE) ', '')
            ORDER BY contype <> 'p', conname
        ), pg_get_constraintdef(c.oid), confrelid::bigint, (
            contype = 'n' AND conname = left(format('%s_%s_not_null', relname, (
                SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1])), 63)
            AND NOT connoinherit AND convalidated
        ), format('COMMENT ON CONSTRAINT %I ON %s IS ', conname, conrelid::regclass)
            || quote_literal(obj_description(c.oid, 'pg_constraint'))
    FROM pg_constraint AS c JOIN pg_class ON pg_class.oid = conrelid
    WHERE conrelid = CAST(:table AS regclass) AND contype IN ('c', 'f', 'n', 'p', 'u', 'x')
        AND (conparentid = 0 AND conislocal OR relispartition AND contype <> 'f')
    ORDER BY array_position('{n,p,u,x,c,f}', contype::text), conname
""")

TABLE = text("""
    SELECT CASE relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, concat_ws(' ',
        'INHERITS (' || (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits
            WHERE inhrelid = c.oid AND NOT relispartition) || ')',
        'PARTITION BY ' || CASE relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
        'USING ' || nullif(amname, 'heap'),
        'WITH (' || nullif(concat_ws(', ', array_to_string(c.reloptions, ', '), (
            SELECT string_agg('toast.' || each, ', ') FROM pg_class AS toast, unnest(toast.reloptions) AS each
            WHERE toast.oid = c.reltoastrelid)), '') || ')',
        'TABLESPACE ' || quote_ident(spcname))
    FROM pg_class AS c LEFT JOIN pg_am ON pg_am.oid = relam
    LEFT JOIN pg_tablespace AS t ON t.oid = reltablespace
    WHERE c.oid = CAST(:table AS regclass)
""")

# The statements after CREATE TABLE, in their order. A partition has its indexes before it is attached.
AFTERWARDS = text(r"""
    WITH of AS (SELECT * FROM pg_class WHERE oid = CAST(:table AS regclass))
    SELECT 1, pg_get_indexdef(indexrelid)
    FROM of JOIN pg_index ON indrelid = of.oid JOIN pg_class AS i ON i.oid = indexrelid
    WHERE (indisvalid OR i.relkind = 'I')
        AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 2, format('ALTER TABLE %s ATTACH PARTITION %s %s', inhparent::regclass, of.oid::regclass,
        pg_get_expr(relpartbound, of.oid))
    FROM of JOIN pg_inherits ON inhrelid = of.oid WHERE relispartition
    UNION ALL
    SELECT 3, format('COMMENT ON TABLE %s IS ', of.oid::regclass)
        || quote_literal(obj_description(of.oid, 'pg_class'))
    FROM of
    UNION ALL
    SELECT 3, format('ALTER TABLE %s REPLICA IDENTITY ', of.oid::regclass)
        || CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' END
    FROM of
    UNION ALL
    SELECT 3, pg_get_triggerdef(pg_trigger.oid, true)
    FROM of JOIN pg_trigger ON tgrelid = of.oid WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT 4, format('ALTER TABLE %s %s TRIGGER %I', of.oid::regclass, state, tgname)
    FROM of JOIN pg_trigger ON tgrelid = of.oid
    JOIN (VALUES ('D', 'DISABLE'), ('A', 'ENABLE ALWAYS'), ('R', 'ENABLE REPLICA')) AS states (enabled, state)
        ON enabled = tgenabled::text
    WHERE NOT tgisinternal
    UNION ALL
    SELECT 4, format('COMMENT ON TRIGGER %I ON %s IS %L', tgname, of.oid::regclass, description)
    FROM of JOIN pg_trigger AS t ON tgrelid = of.oid JOIN pg_description ON objoid = t.oid
    WHERE classoid = 'pg_trigger'::regclass
    UNION ALL
    SELECT 3, pg_get_ruledef(pg_rewrite.oid, true) FROM of JOIN pg_rewrite ON ev_class = of.oid
    UNION ALL
    SELECT 4, format('ALTER TABLE %s %s RULE %I', of.oid::regclass, state, rulename)
    FROM of JOIN pg_rewrite ON ev_class = of.oid
    JOIN (VALUES ('D', 'DISABLE'), ('A', 'ENABLE ALWAYS'), ('R', 'ENABLE REPLICA')) AS states (enabled, state)
        ON enabled = ev_enabled::text
    UNION ALL
    SELECT 4, format('COMMENT ON RULE %I ON %s IS %L', rulename, of.oid::regclass, description)
    FROM of JOIN pg_rewrite AS r ON ev_class = of.oid JOIN pg_description ON objoid = r.oid
    WHERE classoid = 'pg_rewrite'::regclass
    UNION ALL
    SELECT 3, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, of.oid::regclass,
        CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
            FROM unnest(polroles) AS role),
        ' USING (' || pg_get_expr(polqual, polrelid) || ')',
        ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
    FROM of JOIN pg_policy ON polrelid = of.oid
    UNION ALL
    SELECT 4, format('COMMENT ON POLICY %I ON %s IS %L', polname, of.oid::regclass, description)
    FROM of JOIN pg_policy AS p ON polrelid = of.oid JOIN pg_description ON objoid = p.oid
    WHERE classoid = 'pg_policy'::regclass
    UNION ALL
    SELECT 3, format('ALTER TABLE %s %s ROW LEVEL SECURITY', of.oid::regclass, action)
    FROM of, (VALUES ('ENABLE'), ('FORCE')) AS change (action)
    WHERE CASE action WHEN 'FORCE' THEN relforcerowsecurity ELSE relrowsecurity END
    ORDER BY 1, 2
""")

PARTITIONS = text("""
    SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON oid = inhrelid
    WHERE inhparent = CAST(:table AS regclass) AND relispartition ORDER BY 1
""")

# What an index, also one of a constraint, has besides its definition.
OF_INDEXES = text("""
    SELECT unnest(ARRAY[
        format('COMMENT ON INDEX %s IS ', i.oid::regclass)
            || quote_literal(obj_description(i.oid, 'pg_class')),
        format('ALTER INDEX %s SET TABLESPACE ', i.oid::regclass) || quote_ident(spcname),
        CASE WHEN contype IN ('p', 'u') THEN
            format('ALTER INDEX %s SET (', i.oid::regclass) || array_to_string(i.reloptions, ', ') || ')' END,
        CASE WHEN indisclustered THEN
            format('ALTER TABLE %s CLUSTER ON %I', indrelid::regclass, i.relname) END,
        CASE WHEN indisreplident AND r.relreplident = 'i' THEN
            format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', indrelid::regclass, i.relname) END
    ] || ARRAY(
        SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS ', attrelid::regclass, attnum)
            || attstattarget
        FROM pg_attribute WHERE attrelid = i.oid AND attstattarget >= 0 ORDER BY attnum
    ))
    FROM pg_index JOIN pg_class AS i ON i.oid = indexrelid JOIN pg_class AS r ON r.oid = indrelid
    LEFT JOIN pg_tablespace AS t ON t.oid = i.reltablespace
    LEFT JOIN pg_constraint ON conindid = i.oid AND conrelid = indrelid AND contype IN ('p', 'u', 'x')
    WHERE indrelid = CAST(:table AS regclass) AND (CAST(:name AS text) IS NULL OR i.relname = :name)
    ORDER BY i.relname
""")

# Extended statistics, each with the statements that create it; they are dropped with any of their columns.
STATISTICS = text("""
    SELECT DISTINCT format('%I.%I', nspname, stxname) AS name, array_remove(ARRAY[
        pg_get_statisticsobjdef(s.oid),
        CASE WHEN stxstattarget >= 0 THEN
            format('ALTER STATISTICS %I.%I SET STATISTICS %s', nspname, stxname, stxstattarget) END,
        format('COMMENT ON STATISTICS %I.%I IS ', nspname, stxname)
            || quote_literal(obj_description(s.oid, 'pg_statistic_ext'))
    ], NULL)
    FROM pg_statistic_ext AS s JOIN pg_namespace AS n ON n.oid = stxnamespace
    JOIN pg_depend ON classid = 'pg_statistic_ext'::regclass AND objid = s.oid
    JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
    WHERE refclassid = 'pg_class'::regclass AND refobjid = CAST(:table AS regclass)
        AND (CAST(:column AS text) IS NULL OR attname = :column)
    ORDER BY name
""")

CONSTRAINT = text("""
    SELECT pg_get_constraintdef(oid),
        format('COMMENT ON CONSTRAINT %I ON %s IS ', conname, conrelid::regclass)
            || quote_literal(obj_description(oid, 'pg_constraint'))
    FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) AND conname = :name
""")

INDEX = text("SELECT pg_get_indexdef(CAST(:index AS regclass))")

TYPE = text("""
    SELECT format_type(atttypid, atttypmod) || coalesce(
            CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation END, ''),
        pg_get_expr(adbin, adrelid)
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = CAST(:table AS regclass) AND attname = :column
""")


def undo(connection: Connection, op: ops.MigrateOperation, without: Iterable[str] = ()) -> Operations:
    """Return the operations that undo an operation.

    Args:
        connection: the database, in which the operation has not run yet.
        op: the operation.
        without: the foreign keys that a restored table does not get.
    """
    match op:
        case Statement():
            return [Statement(sql) for sql in op.undo]
        case ops.DropTableOp():
            return statements(table(connection, quoted(connection, op.schema, op.table_name), set(without)))
        case ops.DropColumnOp():
            place = quoted(connection, op.schema, op.table_name)
            return statements(column(connection, place, op.column_name))
        case ops.DropConstraintOp():
            place = quoted(connection, op.schema, op.table_name)
            return statements(constraint(connection, place, str(op.constraint_name)))
        case ops.DropIndexOp():
            return rebuilt(connection, op)
        case ops.AlterColumnOp():
            return altered(connection, op)
    return [op.reverse()]


# IN of a varchar, as the server prints it. If the server read that again, it would print another form.
LIST = re.compile(r"\(ARRAY\[((?:'(?:[^']|'')*'::character varying(?:, )?)+)\]\)::text\[\]")


def statements(sql: Iterable[str | None]) -> Operations:
    return [Statement(LIST.sub(r"(ARRAY[\1]::character varying[])::text[]", each)) for each in sql if each]


def table(connection: Connection, name: str, without: set[str]) -> Iterable[str | None]:
    """Yield the statements that create a table as it is now, with its partitions, triggers and policies."""
    there = {"table": name}
    columns = connection.execute(COLUMNS, {**there, "column": None}).all()
    constraints = [
        each for each in connection.execute(CONSTRAINTS, there) if not each[4] and each[0] not in without
    ]
    unlogged, options = connection.execute(TABLE, there).one()
    for _, _, before, _ in columns:
        yield before
    inside = [specified for _, specified, _, _ in columns]
    inside += [
        f"CONSTRAINT {quoted(connection, None, constraint)} {definition}"
        for constraint, valid, definition, *_ in constraints
        if valid
    ]
    yield f"CREATE {unlogged}TABLE {name} ({', '.join(inside)}) {options}".rstrip()
    for constraint, valid, definition, *_, comment in constraints:
        if not valid:
            yield f"ALTER TABLE {name} ADD CONSTRAINT {quoted(connection, None, constraint)} {definition}"
        yield comment
    for *_, after in columns:
        yield from after
    for _, statement in connection.execute(AFTERWARDS, there):
        yield statement
    yield from connection.scalars(OF_INDEXES, {**there, "name": None})
    for _, definition in connection.execute(STATISTICS, {**there, "column": None}):
        yield from definition
    for partition in connection.scalars(PARTITIONS, there).all():
        yield from table(connection, partition, without)


def column(connection: Connection, table: str, name: str) -> Iterable[str | None]:
    """Yield the statements that create a column as it is now."""
    [(_, specified, before, after)] = connection.execute(COLUMNS, {"table": table, "column": name})
    yield before
    yield f"ALTER TABLE {table} ADD COLUMN {specified}"
    for constraint, _, definition, _, usual, comment in connection.execute(CONSTRAINTS, {"table": table}):
        of_column = definition.startswith(f"NOT NULL {quoted(connection, None, name)}")
        if of_column and not usual:
            yield f"ALTER TABLE {table} ADD CONSTRAINT {quoted(connection, None, constraint)} {definition}"
            yield comment
    yield from after


def constraint(connection: Connection, table: str, name: str) -> Iterable[str | None]:
    """Yield the statements that add a constraint as it is now."""
    definition, comment = connection.execute(CONSTRAINT, {"table": table, "name": name}).one()
    yield f"ALTER TABLE {table} ADD CONSTRAINT {quoted(connection, None, name)} {definition}"
    yield comment
    yield from connection.scalars(OF_INDEXES, {"table": table, "name": name})


def rebuilt(connection: Connection, op: ops.DropIndexOp, *, concurrently: bool = False) -> Operations:
    """Return the operations that build an index as it is now."""
    name = quoted(connection, op.schema, str(op.index_name))
    definition = connection.scalars(INDEX, {"index": name}).one()
    if concurrently:
        definition = definition.replace("INDEX ", "INDEX CONCURRENTLY ", 1)
    there = {"table": quoted(connection, op.schema, str(op.table_name)), "name": op.index_name}
    return statements([definition, *connection.scalars(OF_INDEXES, there)])


def altered(connection: Connection, op: ops.AlterColumnOp) -> Operations:
    """Return the operations that restore the present form of a column."""
    back: Operations = []
    others = copy(op)
    others.modify_type, others.modify_server_default = None, False
    name = quoted(connection, None, op.column_name)
    place = quoted(connection, op.schema, op.table_name)
    type_, default = connection.execute(TYPE, {"table": place, "column": op.column_name}).one()
    actions = []
    if op.modify_type is not None:
        actions += [f"ALTER COLUMN {name} TYPE {type_}"]
    if op.modify_server_default is not False:
        actions += [f"ALTER COLUMN {name} " + (f"SET DEFAULT {default}" if default else "DROP DEFAULT")]
    if actions:
        back.append(Statement(f"ALTER TABLE {place} {', '.join(actions)}"))
    if others.has_changes():
        back.append(others.reverse())
    return back
