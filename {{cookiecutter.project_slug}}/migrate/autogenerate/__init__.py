"""Autogenerate: what it looks at, what it sees, and what it writes.

It looks at the `scope`. `required`, `enums`, `columns` and `definitions` see what Alembic does
not, by asking the server (`trial`). `split` makes revisions of what was found, in forms that
are `safe`, with remarks for the `review` and a way to `undo` what they drop. `rendering` names
the types in them.
"""

from alembic.runtime.plugins import Plugin

from migrate.autogenerate import columns, definitions, enums, required, scope
from migrate.autogenerate.rendering import render_item
from migrate.autogenerate.scope import Scope
from migrate.autogenerate.split import write

__all__ = ["PLUGINS", "Scope", "render_item", "write"]

for module in (scope, columns, definitions, enums, required):
    Plugin.setup_plugin_from_module(module, module.__name__)

# Ours come before Alembic's own, where both compare the same.
PLUGINS = ["alembic.autogenerate.*", "migrate.autogenerate.*"]
