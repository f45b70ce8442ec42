"""Autogenerate: which tables it compares, which differences it finds, and what it writes.

`scope` says what is compared; `sound` and `names` check the models. `required`, `enums`, `domains`,
`columns` (with the `sources` of their values), `definitions`, `comments` and `views` find the differences:
they ask the server (`trial`) for each table twice (`states`, from its `catalogue`), and `refused` says what
it does not accept. `split` makes revisions of these `changes`, in an `order` that runs, in `safe` forms
(`retype`), with remarks for the `review` (`renames`, `keys`, `scenarios`), and with statements that `undo`
them. `rendering` writes them.
"""

from alembic.runtime.plugins import Plugin

from migrate.autogenerate import (
    columns,
    comments,
    definitions,
    domains,
    enums,
    names,
    refused,
    required,
    scope,
    views,
)
from migrate.autogenerate.rendering import render_item
from migrate.autogenerate.scope import Scope
from migrate.autogenerate.sound import load
from migrate.autogenerate.split import write

__all__ = ["PLUGINS", "Scope", "load", "render_item", "write"]

for module in (scope, names, columns, definitions, comments, domains, enums, required, refused, views):
    Plugin.setup_plugin_from_module(module, module.__name__)

# Our plugins run before Alembic's own, if both compare the same.
PLUGINS = ["alembic.autogenerate.*", "migrate.autogenerate.*"]
