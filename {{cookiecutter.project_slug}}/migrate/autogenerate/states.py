"""Each table twice: as the database has it, and as the model would create it.

Autogenerate writes the differences between the two. The server prints expressions in its own form
(`BETWEEN` becomes two comparisons, a literal gets its type). So the texts of the models cannot be
compared; the server's forms can.
"""

from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, Table

from migrate.autogenerate import required, trial
from migrate.autogenerate.catalogue import State, state


class States(NamedTuple):
    """A table that the database and the models have."""

    present: State
    wanted: State


class Tables:
    """The tables of one comparison; each is read once."""

    def __init__(self, context: AutogenContext) -> None:
        self.context = context
        self._known: dict[tuple[str | None, str], States] = {}

    @property
    def connection(self) -> Connection:
        assert self.context.connection is not None
        return self.context.connection

    @cached_property
    def needed(self) -> list[str]:
        """The statements that create the missing objects that the models' tables need."""
        return [statement.sql for statement in required.missing(self.context)]

    def states(self, schema: str | None, name: str, model: Table) -> States:
        """Return a table as the server describes it, and its model likewise."""
        if (schema, name) not in self._known:
            present = state(self.connection, trial.quoted(self.connection, schema, name))
            wanted, again = trial.modelled(self.connection, model, self.needed)
            ours = present.definitions
            if any(key in ours and ours[key] != said for key, said in wanted.definitions.items()):
                with trial.copied(self.connection, schema, name) as copy:
                    read = state(self.connection, copy).definitions
                for key in ours.keys() & again.keys() & read.keys():
                    if ours[key].valid and read[key] == again[key]:
                        wanted.definitions[key] = ours[key]
            self._known[schema, name] = States(present, wanted)
        return self._known[schema, name]


_comparisons: WeakKeyDictionary[AutogenContext, Tables] = WeakKeyDictionary()


def tables(context: AutogenContext) -> Tables:
    """Return the tables of a comparison."""
    return _comparisons.setdefault(context, Tables(context))
