"""Autogenerate: what it looks at, what it sees, and what it writes.

It looks at the `scope`, and whether the models are `sound`. `required`, `enums`, `columns` (and
the `sources` of their values) and `definitions` see what differs, by asking the server (`trial`)
for each table twice (`states`, in the words of its `catalogue`). `split` makes revisions of
what was found, in an `order` that runs, in forms that are `safe` (`retype`), with remarks for
the `review` (`renames`, `scenarios`) and a way to `undo` what they do. `rendering` writes them.
"""

from alembic.runtime.plugins import Plugin

from migrate.autogenerate import columns, definitions, enums, required, scope
from migrate.autogenerate.rendering import render_item
from migrate.autogenerate.scope import Scope
from migrate.autogenerate.sound import load
from migrate.autogenerate.split import write

__all__ = ["PLUGINS", "Scope", "load", "render_item", "write"]

for module in (scope, columns, definitions, enums, required):
    Plugin.setup_plugin_from_module(module, module.__name__)

# Ours come before Alembic's own, where both compare the same.
PLUGINS = ["alembic.autogenerate.*", "migrate.autogenerate.*"]
