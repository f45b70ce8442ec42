"""Autogenerate: what it looks at (here), what it sees, and what it writes.

`enums` and `definitions` see what Alembic does not, by asking the server (`trial`). `split`
makes revisions of what was found, in forms that are `safe`, with remarks for the `review`.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from alembic.runtime.plugins import Plugin
from sqlalchemy import Table
from sqlalchemy.schema import SchemaItem

from migrate.autogenerate import definitions, enums
from migrate.autogenerate.enums import render_item
from migrate.autogenerate.split import write

__all__ = ["PLUGINS", "include_object", "render_item", "write"]

for module in (definitions, enums):
    Plugin.setup_plugin_from_module(module, module.__name__)

# Alembic's own comparators; its opt-in one for CHECK constraints, which goes by name: that
# is safe here because the naming convention leaves none unnamed; and ours.
PLUGINS = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname", "migrate.autogenerate.*"]

ALWAYS_EXCLUDED = ["temp_*"]


def include_object(exclude_tables: str) -> Callable[..., bool]:
    """Return the filter for `context.configure(include_object=…)`.

    Args:
        exclude_tables: glob patterns, separated by commas or blanks, of tables that
            autogenerate leaves alone, together with their columns, indexes and
            constraints. `temp_*` always is.
    """
    patterns = ALWAYS_EXCLUDED + exclude_tables.replace(",", " ").split()

    def include(item: SchemaItem, name: str | None, kind: str, _reflected: bool, _compare_to: Any) -> bool:
        table = item if isinstance(item, Table) else getattr(item, "table", None)
        table_name = name if kind == "table" else getattr(table, "name", None)
        return not any(fnmatchcase(table_name or "", pattern) for pattern in patterns)

    return include
