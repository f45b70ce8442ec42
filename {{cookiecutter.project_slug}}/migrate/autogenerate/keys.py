"""Foreign keys, and what is unique for them."""

from collections.abc import Iterator

from alembic.operations import ops
from sqlalchemy import text

from migrate.autogenerate.changes import name_of
from migrate.autogenerate.operations import Remark
from migrate.autogenerate.review import Review
from migrate.autogenerate.trial import quoted

# What a foreign key may refer to, by its columns.
UNIQUE = text("""
    SELECT relname::text, ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = indrelid AND attnum = ANY ((CAST(indkey AS int2[]))[0:indnkeyatts - 1]))
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = CAST(:table AS regclass) AND indisunique AND indisvalid AND indimmediate
        AND indpred IS NULL AND indexprs IS NULL
""")

# The foreign keys that use an index: name, whether their table is dropped, and what to call them.
SERVED = text("""
    SELECT conname::text, conrelid = ANY (CAST(CAST(:dropped AS text[]) AS regclass[])),
        format('foreign key %I of %s', conname, conrelid::regclass)
    FROM pg_constraint WHERE contype = 'f' AND conindid = to_regclass(:index) AND conparentid = 0 ORDER BY 3
""")


def waits(key: ops.CreateForeignKeyOp, review: Review) -> bool:
    """Return whether a foreign key refers to columns of a present table that are not unique yet."""
    parent = key.kw.get("referent_schema"), key.referent_table
    if parent not in review.tables or parent in review.dropped:
        return False
    there = review.connection.execute(UNIQUE, {"table": quoted(review.connection, *parent)})
    return not any(
        set(columns) == set(key.remote_cols) for name, columns in there if name not in review.dropped_names
    )


def refers(key: ops.CreateForeignKeyOp, unique: ops.CreateUniqueConstraintOp) -> bool:
    """Return whether a foreign key refers to the columns of a unique constraint."""
    same_table = (key.kw.get("referent_schema"), key.referent_table) == (unique.schema, unique.table_name)
    return same_table and set(key.remote_cols) == {str(column) for column in unique.columns}


def served(op: ops.DropIndexOp | ops.DropConstraintOp, review: Review) -> list[tuple[str, bool, str]]:
    """Return the foreign keys that use an index or a unique constraint."""
    names = {
        "index": quoted(review.connection, op.schema, name_of(op)),
        "dropped": [quoted(review.connection, *key) for key in review.dropped],
    }
    return [(key, gone, what) for key, gone, what in review.connection.execute(SERVED, names)]


def remarks(op: ops.MigrateOperation, review: Review) -> Iterator[Remark]:
    """Yield the remark on the drop of what a foreign key uses that stays."""
    if isinstance(op, ops.DropIndexOp | ops.DropConstraintOp) and review.lives(op):
        keys = served(op, review)
        if left := [what for name, gone, what in keys if not gone and name not in review.dropped_names]:
            yield Remark(
                f"fails as it stands: PostgreSQL drops nothing unique that {', '.join(left)} uses. Drop that "
                "before this line, and add it again when its columns are unique again."
            )
