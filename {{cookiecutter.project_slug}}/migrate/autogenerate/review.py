"""The remarks of a revision: what its reviewer must know before it runs."""

import json
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import takewhile
from typing import Any

from alembic.ddl.base import AddColumn
from alembic.operations import ops
from sqlalchemy import Column, DateTime, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.schema import Table
from sqlalchemy.types import TypeEngine

from migrate.alembic_internals import undoubled
from migrate.autogenerate import renames, trial
from migrate.autogenerate.changes import BORROWED, Changes, called, table_of
from migrate.autogenerate.enums import native
from migrate.autogenerate.operations import Remark, Statement
from migrate.autogenerate.retype import IN_THE_WAY, Form
from migrate.autogenerate.scenarios import scenario

# What uses a table, and neither belongs to it nor goes with it.
DEPENDENTS = text("""
    SELECT DISTINCT pg_describe_object(CASE classid WHEN 'pg_rewrite'::regclass THEN 'pg_class'::regclass
        ELSE classid END, CASE classid WHEN 'pg_rewrite'::regclass THEN ev_class ELSE objid END, 0), NULL
    FROM pg_depend LEFT JOIN pg_rewrite ON classid = 'pg_rewrite'::regclass AND pg_rewrite.oid = objid
    WHERE refclassid = 'pg_class'::regclass AND refobjid = CAST(:table AS regclass)
        AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass) AND ev_class IS DISTINCT FROM refobjid
    UNION
    SELECT format('foreign key %I of %s', conname, conrelid::regclass), conname::text FROM pg_constraint
    WHERE contype = 'f' AND confrelid = CAST(:table AS regclass) AND conrelid <> confrelid AND conparentid = 0
        AND conrelid <> ALL (CAST(CAST(:dropped AS text[]) AS regclass[]))
    ORDER BY 1
""")

# What a dropped table or column has and its downgrade does not restore: rights, but for those that a new
# table gets by ALTER DEFAULT PRIVILEGES, and publications.
NOT_RESTORED = text("""
    WITH of AS (SELECT * FROM pg_class WHERE oid = CAST(:table AS regclass)), rights AS (
        (SELECT grantee, privilege_type FROM of, aclexplode(relacl)
            WHERE grantee <> relowner AND CAST(:column AS text) IS NULL
        EXCEPT SELECT d.grantee, d.privilege_type
            FROM of JOIN pg_default_acl ON defaclrole = relowner, aclexplode(defaclacl) AS d
            WHERE defaclobjtype = 'r' AND defaclnamespace IN (0, relnamespace))
        UNION SELECT grantee, privilege_type
            FROM of JOIN pg_attribute ON attrelid = oid, aclexplode(attacl)
            WHERE grantee <> relowner AND (CAST(:column AS text) IS NULL OR attname = :column)
    )
    SELECT DISTINCT 'the rights of ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    FROM rights
    UNION SELECT 'the publication ' || quote_ident(pubname)
    FROM of JOIN pg_publication_rel ON prrelid = of.oid JOIN pg_publication AS p ON p.oid = prpubid
    WHERE CAST(:column AS text) IS NULL
    ORDER BY 1
""")

# Whether rows may not have the same values in a column, perhaps together with others.
UNIQUE = text("""
    SELECT EXISTS (
        SELECT FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
        WHERE indrelid = CAST(:table AS regclass) AND indisunique AND attname = :column
    )
""")

# The indexes of partitions that an equal index of their parent would make a part of itself.
UNATTACHED = text("""
    SELECT i.oid::regclass::text FROM pg_partition_tree(CAST(:table AS regclass))
    JOIN pg_index ON indrelid = relid AND level > 0 JOIN pg_class AS i ON i.oid = indexrelid
    WHERE NOT relispartition AND NOT indisprimary ORDER BY 1
""")

# The foreign keys from or to a column: whether it is the one that refers, and the column at the other end.
LINKED = text("""
    SELECT conname::text, conrelid::regclass::text, own.refers, format_type(atttypid, atttypmod),
        nullif(nspname, current_schema()), relname::text, attname::text
    FROM pg_constraint,
    LATERAL (VALUES (true, conrelid, conkey, confrelid, confkey),
        (false, confrelid, confkey, conrelid, conkey)) AS own (refers, relid, key, other, other_key),
    LATERAL unnest(key, other_key) AS pair (one, another)
    JOIN pg_attribute AS a ON true JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE contype = 'f' AND conparentid = 0 AND own.relid = CAST(:table AS regclass)
        AND a.attrelid = own.other AND a.attnum = another
        AND one = (SELECT attnum FROM pg_attribute WHERE attrelid = own.relid AND attname = :column)
    ORDER BY conname
""")

DIALECT = registry.load("postgresql")()

# Of what is unique again after a downgrade.
SAME_VALUES = Remark(
    "the build fails if rows have the same values by then; a column that comes back has its default in all."
)

# How to replace a constraint, by its kind.
CHANGED_CONSTRAINT = {
    "check": "change a check",
    "foreignkey": "change a foreign key",
    "unique": "change a unique constraint",
}


class Review(Changes):
    """The review of some changes, with the database."""

    def remarks(self, op: ops.MigrateOperation) -> Iterator[Remark]:
        """Yield the remarks on an operation of an upgrade."""
        match op:
            case ops.DropTableOp():
                yield from self._dropped_table(op)
            case ops.DropColumnOp():
                yield from self._dropped_column(op)
            case ops.DropConstraintOp() if self.lives(op):
                yield self._dropped_constraint(op)
            case ops.DropIndexOp() if self.lives(op):
                yield self._dropped_index(op)
            case Statement() if op.remark:
                yield Remark(op.remark)
            case ops.AddColumnOp():
                yield from self._added_column(op)
            case ops.CreateIndexOp() | ops.CreateUniqueConstraintOp() if self.lives(op):
                if isinstance(op, ops.CreateUniqueConstraintOp) or op.unique:
                    yield Remark(
                        "the build fails if rows have the same values, and says which: merge or change them "
                        f"first, in a revision before this one: {scenario('merge rows')}."
                    )
                if self.partitioned(op):
                    yield Remark(
                        f"no session can write to {called(op)} while each partition gets its index. To build "
                        f"them concurrently, one by one, {scenario('index partitions')}."
                    )
                    yield from self._attached(op)
            case ops.CreateForeignKeyOp() if self.partitioned(op):
                yield Remark(
                    f"fails if rows break {op.constraint_name}: repair them in a revision before this one: "
                    f"{scenario('repair orphans')}. No session can write to {called(op)} while every "
                    "partition is scanned. Add the key to each partition first, NOT VALID, and validate it: "
                    f"{scenario('add a foreign key to partitions')}."
                )

    def _attached(self, op: ops.MigrateOperation) -> Iterator[Remark]:
        place = {"table": trial.quoted(self.connection, *table_of(op))}
        if indexes := self.connection.scalars(UNATTACHED, place).all():
            yield Remark(
                f"if it is equal to one of {', '.join(indexes)}, PostgreSQL makes that a part of it, and the "
                "downgrade drops both."
            )

    def remarks_on_downgrade(self, op: ops.MigrateOperation) -> Iterator[Remark]:
        """Yield the remarks on the undo of an operation."""
        if isinstance(op, ops.DropColumnOp) and (new := self._pairs(op).get(op.column_name)):
            yield Remark(
                "a rename? Then this line undoes it: use it instead of the two.",
                self._renaming(op, new, back=True),
            )
        if isinstance(op, ops.DropTableOp):
            for other in self.changes:
                if isinstance(other, ops.CreateTableOp) and alike(op, other):
                    yield self._renamed_table(op, other, back=True)
        if isinstance(op, ops.DropTableOp | ops.DropColumnOp):
            yield from self._not_restored(op)
        if isinstance(op, ops.DropColumnOp) and self._needs_a_value(op.reverse()):
            yield Remark(
                f"fails if {called(op)} has rows, because the values are gone: let the column be NULL "
                "here, or give it a default."
            )
        elif isinstance(op, ops.DropConstraintOp) and self.lives(op):
            if op.constraint_type == "unique":
                yield SAME_VALUES
            else:
                yield Remark("fails if rows break it by then; no session can write during the scan.")
        elif isinstance(op, ops.DropIndexOp) and self.lives(op) and op.reverse().unique:
            yield SAME_VALUES

    def _not_restored(self, op: ops.DropTableOp | ops.DropColumnOp) -> Iterator[Remark]:
        column = getattr(op, "column_name", None)
        place = {"table": trial.quoted(self.connection, *table_of(op)), "column": column}
        if lost := self.connection.scalars(NOT_RESTORED, place).all():
            yield Remark(
                f"restores {'.'.join(filter(None, (called(op), column)))} without {', '.join(lost)}: add "
                "GRANT or ALTER PUBLICATION, as far as they shall come back."
            )

    def _dropped_table(self, op: ops.DropTableOp) -> Iterator[Remark]:
        for other in self.changes:
            if isinstance(other, ops.CreateTableOp) and alike(op, other):
                yield self._renamed_table(op, other)
        gone = {getattr(other, "constraint_name", None) for other in self.changes}
        names = {
            "table": trial.quoted(self.connection, *table_of(op)),
            "dropped": [trial.quoted(self.connection, *key) for key in self.dropped],
        }
        dependents = [
            each for each, name in self.connection.execute(DEPENDENTS, names) if not name or name not in gone
        ] + self._borrowed(op)
        if dependents:
            yield Remark(
                f"fails as it stands: PostgreSQL drops no table that {', '.join(dependents)} uses. Drop that "
                "before."
            )
        yield Remark(
            f"drops the table {called(op)} and what it holds{self._rows(op)}. If another program has it, "
            "name it in exclude_tables in the ini file, and write the revision anew. For when and how, "
            f"{scenario('drop a table')}."
        )

    def _borrowed(self, op: ops.MigrateOperation, column: str | None = None) -> list[str]:
        """Return the defaults in other tables that use a sequence of a dropped table or column."""
        tables = {"tables": [self.oid(table_of(op))]}
        dropped = {self.oid(key) for key in self.dropped}
        return [
            default
            for table, _, owner, default in self.connection.execute(BORROWED, tables)
            if table not in dropped and column in (None, owner)
        ]

    def _renamed_table(self, op: ops.DropTableOp, new: ops.CreateTableOp, *, back: bool = False) -> Remark:
        if op.table_name == new.table_name:
            here, there = (table_of(new), op.schema) if back else (table_of(op), new.schema)
            move = f"ALTER TABLE {trial.quoted(self.connection, *here)} SET SCHEMA "
            move += trial.quoted(self.connection, None, there or self.default)
            if back:
                return Remark(
                    "a move? Then this line undoes it: use it instead of the two.",
                    f"op.execute({quoted(move)})",
                )
            return Remark(
                f"a move? If {called(new)} is what {called(op)} was, use this line instead of the two. It "
                "breaks the running code.",
                f"op.execute({quoted(move)})",
            )
        found = renames.of_table(self.connection, op, model_of(new))
        old_name, new_name = (new.table_name, op.table_name) if back else (op.table_name, new.table_name)
        line = f"op.rename_table({arguments(old_name, new_name, schema=op.schema)})"
        more = renames.statements(self.connection, op.schema, new_name, found, back=back)
        if back:
            return Remark(
                "a rename? Then this line undoes it: use it instead of the two.", joined(line, more)
            )
        return Remark(
            f"a rename? If {called(new)} is what {called(op)} was, use this line instead of the two, or "
            f"let both names work for a while: {scenario('rename a table')}.",
            joined(line, more),
        )

    def _dropped_column(self, op: ops.DropColumnOp) -> Iterator[Remark]:
        if pair := self._pairs(op).get(op.column_name):
            yield Remark(
                f"a rename? If {pair} is what {op.column_name} was, use this line instead of the two. "
                "It breaks the running code; for the way that does not, "
                f"{scenario('rename a column')}.",
                self._renaming(op, pair),
            )
        gone = {
            f"generated column {trial.quoted(self.connection, None, other.column_name)}"
            for other in self.changes
            if isinstance(other, ops.DropColumnOp) and self.same_table(op, other)
        }
        place = {"table": trial.quoted(self.connection, *table_of(op)), "column": op.column_name}
        dependents = [each for each in self.connection.scalars(IN_THE_WAY, place) if each not in gone]
        if dependents := dependents + self._borrowed(op, op.column_name):
            yield Remark(
                f"fails as it stands: PostgreSQL drops no column that {', '.join(dependents)} uses. Drop "
                "that before, or change it to do without."
            )
        yield Remark(
            f"drops the column {called(op)}.{op.column_name} and what it holds{self._rows(op)}. For when "
            f"and how, {scenario('drop a column')}."
        )

    def _pairs(self, op: ops.DropColumnOp) -> dict[str, str]:
        """Return the added column that each dropped column may have become, by type and name."""
        dropped = [
            other
            for other in self.changes
            if isinstance(other, ops.DropColumnOp) and self.same_table(op, other)
        ]
        added = [
            other
            for other in self.changes
            if isinstance(other, ops.AddColumnOp) and self.same_table(op, other)
        ]
        candidates = sorted(
            (
                (old.column_name, new.column.name)
                for old in dropped
                for new in added
                if spelled(old.reverse().column.type) == spelled(new.column.type)
            ),
            key=lambda names: -SequenceMatcher(None, *names).ratio(),
        )
        pairs: dict[str, str] = {}
        for old_name, new_name in candidates:
            if old_name not in pairs and new_name not in pairs.values():
                pairs[old_name] = new_name
        return pairs

    def _renaming(self, op: ops.DropColumnOp, new: str, *, back: bool = False) -> str:
        """Return the line that renames a column and the objects named after it; or that undoes it."""
        pairs = self._pairs(op)
        [model] = [
            other.column.table
            for other in self.changes
            if isinstance(other, ops.AddColumnOp) and self.same_table(op, other) and other.column.name == new
        ]
        found = renames.of_columns(self.connection, op.schema, op.table_name, model, list(pairs.items()))
        # An object that is named after several columns is renamed with the first one.
        mine = [
            each
            for each in found
            if op.column_name == next((old for old in pairs if old in each[1][0]), next(iter(pairs)))
        ]
        more = renames.statements(self.connection, op.schema, op.table_name, mine, back=back)
        now, then = (new, op.column_name) if back else (op.column_name, new)
        return joined(
            f"op.alter_column({arguments(op.table_name, now, new_column_name=then, schema=op.schema)})", more
        )

    def _dropped_constraint(self, op: ops.DropConstraintOp) -> Remark:
        added = [
            getattr(other, "constraint_name", None)
            for other in self.changes
            if isinstance(other, ops.AddConstraintOp) and self.same_table(op, other)
        ]
        if op.constraint_name in added:
            slug = CHANGED_CONSTRAINT.get(op.constraint_type or "", CHANGED_CONSTRAINT["check"])
            return Remark(
                f"drops the constraint {op.constraint_name}, to add it as the models have it: "
                f"{scenario(slug)}."
            )
        return Remark(f"drops the constraint {op.constraint_name}: from then on rows may break it.")

    def _dropped_index(self, op: ops.DropIndexOp) -> Remark:
        built = [
            other.index_name
            for other in self.changes
            if isinstance(other, ops.CreateIndexOp) and self.same_table(op, other)
        ]
        if op.index_name in built:
            return Remark(
                f"drops the index {op.index_name}, and queries go without until the models' index is built. "
                f"To build the new one first, {scenario('replace an index')}."
            )
        return Remark(
            f"drops the index {op.index_name}: queries that use it will scan the whole "
            f"table{self._rows(op)}. To see whether any query does, {scenario('drop an index')}."
        )

    def _added_column(self, op: ops.AddColumnOp) -> Iterator[Remark]:
        if self._needs_a_value(op):
            yield Remark(
                f"fails if {called(op)} has rows{self._rows(op)}; else, old code that inserts rows fails. "
                "Give the column a server_default in the models, or let it be NULL first: "
                f"{scenario('require a column')}."
            )
        elif op.column.server_default is not None and self._rewrites(op):
            yield Remark(
                f"no session can read or write {called(op)} during the rewrite{self._rows(op)}. To add the "
                f"column first, then backfill it, {scenario('require a column')}."
            )

    def altered_type(self, op: ops.AlterColumnOp, how: Form | None) -> Iterator[Remark]:
        """Yield the remarks on a change of type, by a form or without one."""
        assert op.modify_type is not None
        type_ = op.modify_type.compile(self.connection.dialect)
        place = {"table": trial.quoted(self.connection, *table_of(op)), "column": op.column_name}
        if keys := list(self._linked(op, place["table"])):
            yield Remark(
                f"fails as it stands: with {type_}, PostgreSQL does not keep {', '.join(keys)}. Drop it "
                "before this line, and create it again when the columns of both tables have their new types."
            )
        if dependents := self.connection.scalars(IN_THE_WAY, place).all():
            yield Remark(
                f"fails as it stands: PostgreSQL changes no type that {', '.join(dependents)} uses. Drop it "
                "before this line, and create it again after it."
            )
        if how and how.alters:
            yield from self._altered_values(op, type_)
        old, new = op.existing_type, op.modify_type
        if isinstance(old, DateTime) and isinstance(new, DateTime) and old.timezone != new.timezone:
            yield Remark(
                "unless the session's time zone is UTC, it rewrites the table, and every instant moves: "
                f"{scenario('add a time zone')}."
            )
            return
        if how is None and dependents:
            return  # the server was asked with what is in the way
        if how is None:
            yield Remark(
                f"fails as it stands: PostgreSQL does not know how to make {type_} of {op.column_name}. "
                "Say it with postgresql_using=; then no session can read or write the table during the "
                f"rewrite. Or {scenario('change a type')}."
            )
            return
        if how.using or self._may_not_fit(op.existing_type, op.modify_type):
            yield Remark(f"fails if a value of {called(op)}.{op.column_name} does not fit {type_}.")
        if how.rewrites:
            yield Remark(
                f"no session can read or write {called(op)} during the rewrite{self._rows(op)}. To "
                f"change the type beside the traffic, {scenario('change a type')}."
            )

    def _linked(self, op: ops.AlterColumnOp, table: str) -> Iterator[str]:
        """Yield the foreign keys that a column cannot have with its new type."""

        def new(change: ops.AlterColumnOp) -> str:
            assert change.modify_type is not None
            return str(change.modify_type.compile(undoubled(self.connection.dialect)))

        def place(change: ops.AlterColumnOp) -> tuple[str | None, ...]:
            return *table_of(change), change.column_name

        altered = [each for each in self.changes if isinstance(each, ops.AlterColumnOp) and each.modify_type]
        earlier = takewhile(lambda each: place(each) != place(op), altered)
        before = {place(each): new(each) for each in earlier}
        gone = {each.constraint_name for each in self.changes if isinstance(each, ops.DropConstraintOp)}
        names = {"table": table, "column": op.column_name}
        for name, of, refers, type_, *other in self.connection.execute(LINKED, names):
            types = new(op), before.get(tuple(other), type_)
            if name not in gone and not trial.linked(self.connection, *(types if refers else types[::-1])):
                yield f"foreign key {name} of {of}"

    def restored_type(self, op: ops.AlterColumnOp, how: Form) -> Iterator[Remark]:
        """Yield the remarks on the downgrade of a change of type."""
        assert op.modify_type is not None
        if op.existing_type is None:
            return
        type_ = op.existing_type.compile(self.connection.dialect)
        if how.back_alters:
            yield from self._altered_values(op, type_)
        if how.back_using or self._may_not_fit(op.modify_type, op.existing_type):
            yield Remark(f"fails if a value of {called(op)}.{op.column_name} does not fit {type_} by then.")

    def _may_not_fit(self, old: TypeEngine[Any] | None, new: TypeEngine[Any]) -> bool:
        return narrower(old, new) or isinstance(native(new, self.connection.dialect), DOMAIN)

    def _altered_values(self, op: ops.AlterColumnOp, type_: str) -> Iterator[Remark]:
        yield Remark(
            f"a value of {called(op)}.{op.column_name} that {type_} cannot hold is rounded or cut, without "
            "an error."
        )
        place = {"table": trial.quoted(self.connection, *table_of(op)), "column": op.column_name}
        if self.connection.scalar(UNIQUE, place):
            yield Remark(
                "the build fails if rows have the same values after that: merge or change them first, in a "
                f"revision before this one: {scenario('merge rows')}."
            )

    def _needs_a_value(self, op: ops.AddColumnOp) -> bool:
        """Return whether the column cannot be added to a table with rows."""
        type_ = native(op.column.type, self.connection.dialect)
        domain = type_ if isinstance(type_, DOMAIN) else None
        required = not op.column.nullable or (domain is not None and domain.not_null)
        given = op.column.server_default is not None or (domain is not None and domain.default is not None)
        return bool(required and not given)

    def _rewrites(self, op: ops.AddColumnOp) -> bool | None:
        added = AddColumn(op.table_name, op.column, schema=trial.SCHEMA)
        with trial.copied(self.connection, op.schema, op.table_name) as copy:
            return trial.rewrites(self.connection, copy, trial.sql(self.connection, added))

    def _rows(self, op: ops.MigrateOperation) -> str:
        rows = self.tables[table_of(op)].rows if table_of(op) in self.tables else 0
        return f" (about {rows:,.0f} rows)" if rows else ""


# From the narrowest to the widest.
WIDTHS = ["SMALLINT", "INTEGER", "BIGINT", "NUMERIC"]


def narrower(old: TypeEngine[Any] | None, new: TypeEngine[Any]) -> bool:
    """Return whether values of the old type may be too long or too big for the new one."""
    before, after = (str(each.compile(DIALECT)).split("(")[0] if each else "" for each in (old, new))
    if before in WIDTHS and after in WIDTHS and before != after:
        return WIDTHS.index(after) < WIDTHS.index(before) or getattr(new, "precision", None) is not None
    for limit in ("length", "precision", "scale"):
        most, least = getattr(new, limit, None), getattr(old, limit, None)
        if most is not None and (least is None or most < least or (limit == "scale" and most != least)):
            return True
    return False


def model_of(new: ops.CreateTableOp) -> Table:
    """Return the model's table that an operation creates."""
    return next(item.table for item in new.columns if isinstance(item, Column))


def joined(line: str, more: Iterable[str]) -> str:
    """Return a line of code, followed by the execution of further SQL."""
    sql = "; ".join(more).replace(":", r"\:")
    return f"{line}; op.execute({quoted(sql)})" if sql else line


def alike(old: ops.DropTableOp, new: ops.CreateTableOp) -> bool:
    """Return whether two tables, of one schema or of one name, have the same columns."""
    related = old.schema == new.schema or old.table_name == new.table_name
    return related and columns(old.to_table()) == columns(new.to_table())


def columns(table: Table) -> dict[str, str]:
    """Return the columns of a table, with their types as SQL."""
    return {column.name: spelled(column.type) for column in table.columns}


def spelled(type_: TypeEngine[Any]) -> str:
    """Return a type as SQL."""
    return type_.compile(DIALECT)


def arguments(*names: str, **options: str | None) -> str:
    """Return the arguments of a call as code, without the options that are None."""
    given = [f"{name}={quoted(value)}" for name, value in options.items() if value is not None]
    return ", ".join([*map(quoted, names), *given])


def quoted(name: str) -> str:
    """Return a string in quotes as ruff writes it."""
    return json.dumps(str(name), ensure_ascii=False)
