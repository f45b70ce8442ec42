"""Foreign keys, and what is unique for them."""

from alembic.operations import ops
from sqlalchemy import text

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

SERVED = text(
    "SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conindid = to_regclass(:index))"
)


def waits(key: ops.CreateForeignKeyOp, review: Review) -> bool:
    """Return whether a foreign key refers to columns of a present table that are not unique yet."""
    parent = key.kw.get("referent_schema"), key.referent_table
    if parent not in review.tables or parent in review.dropped:
        return False
    gone = {
        getattr(op, "index_name", None) or getattr(op, "constraint_name", None)
        for op in review.changes
        if isinstance(op, ops.DropIndexOp | ops.DropConstraintOp)
    }
    there = review.connection.execute(UNIQUE, {"table": quoted(review.connection, *parent)})
    return not any(set(columns) == set(key.remote_cols) for name, columns in there if name not in gone)


def serves(index: ops.DropIndexOp, review: Review) -> bool:
    """Return whether a foreign key uses an index, so that it must go first."""
    name = quoted(review.connection, index.schema, str(index.index_name))
    return bool(review.connection.scalar(SERVED, {"index": name}))
