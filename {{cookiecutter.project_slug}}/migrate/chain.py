"""The chain as data: revisions in the order they run, with what their docstrings say."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from database import ROOT
from migrate.ini import checked
from migrate.run.guard import in_autocommit
from migrate.scripts import scripts_of

FIELDS = ("Scenario", "Instead of", "Locks", "Rollback", "Deploy", "Needs", "Adapt")
# A revision without a naive way has no `Instead of:`. A revision that is not made for copying has no
# `Needs:` and no `Adapt:`.
OPTIONAL = {"Instead of", "Needs", "Adapt"}

# A name in a docstring, as PostgreSQL prints it: orders, billing.invoice, "Order".
_PART = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
NAME = rf"{_PART}(?:\.{_PART})*"

# A field that begins with this is still the question of script.py.mako.
QUESTION = "?"


@dataclass(frozen=True)
class Revision:
    """One file of the chain."""

    script: Script

    def __str__(self) -> str:
        return self.slug

    @property
    def id(self) -> str:
        return self.script.revision

    @property
    def path(self) -> Path:
        return Path(self.script.path)

    @property
    def slug(self) -> str:
        """The scenario's name: the file's name without its date."""
        return self.path.stem.split("_", 2)[-1]

    @property
    def parents(self) -> tuple[str, ...]:
        """The ids of this revision's parents."""
        down = self.script.down_revision
        return (down,) if isinstance(down, str) else tuple(down or ())

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of the revisions of other branches that this one depends on."""
        needs = self.script.dependencies
        return (needs,) if isinstance(needs, str) else tuple(needs or ())

    @property
    def summary(self) -> str:
        return (self.script.doc or "").strip()

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """The functions of the file, as syntax."""
        tree = ast.parse(self.path.read_bytes())
        return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}

    def autocommit(self, direction: str) -> bool:
        """Whether it runs outside of a transaction, so that it must be safe to run again from any point.

        Args:
            direction: "upgrade" or "downgrade".
        """
        return in_autocommit(self.script, direction)

    @property
    def created(self) -> datetime:
        """When it was written: the docstring's Create Date, else the date of the file."""
        found = re.search(r"^Create Date: (.+)$", self.script.longdoc, re.MULTILINE)
        try:
            date = datetime.fromisoformat(found[1].strip()) if found else None
        except ValueError:
            date = None
        date = date or datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        return date if date.tzinfo else date.replace(tzinfo=UTC)

    @property
    def reversible(self) -> bool:
        """Whether it has a downgrade: by its docstring; if that does not say, by its code."""
        said = self.fields.get("Rollback")
        return not said.startswith("irreversible") if said else not self._refuses_to_go_back

    @property
    def _refuses_to_go_back(self) -> bool:
        downgrade = self.functions.get("downgrade")
        return downgrade is None or isinstance(downgrade.body[-1], ast.Raise)

    @property
    def lossless(self) -> bool:
        """Whether its downgrade leaves every row as it was."""
        return self.fields.get("Rollback", "").startswith("lossless")

    @property
    def unsaid(self) -> list[str]:
        """The names of the docstring's fields that are not filled in yet."""
        return [name for name in FIELDS if name not in OPTIONAL and name not in self.fields]

    @cached_property
    def fields(self) -> dict[str, str]:
        """The fields of the docstring, `Scenario:`, `Locks:` and so on, each of one line or more.

        A field that is empty, or is still the question of the template, is left out.
        """
        return answers(self.script.longdoc)


def answers(docstring: str) -> dict[str, str]:
    """Return the fields that a docstring fills in, by their names."""
    names = "|".join(FIELDS)
    found = re.findall(
        rf"^({names}):[ \t]*(.*?)$(?=\n(?:{names}|Allow|Revision ID):|\n\n|\Z)",
        docstring,
        re.MULTILINE | re.DOTALL,
    )
    said = {name: " ".join(value.split()) for name, value in found}
    return {name: value for name, value in said.items() if value and not value.startswith(QUESTION)}


def with_ancestors(revision: Revision, chain: Mapping[str, Revision]) -> set[str]:
    """Return the ids of a revision, its ancestors and all that these depend on, in a chain by ids."""
    found: set[str] = set()
    left = [revision.id]
    while left:
        id_ = left.pop()
        if id_ not in found:
            found.add(id_)
            left += [*chain[id_].parents, *chain[id_].needs]
    return found


def project_config() -> Config:
    """Return the configuration of `alembic.ini`.

    Raises:
        CommandError: it is not there, or cannot be read.
    """
    path = ROOT / "alembic.ini"
    if not path.is_file():
        raise CommandError(f"{path} is not there: git checkout -- alembic.ini brings it back")
    return checked(Config(path))


def revisions(scripts: ScriptDirectory | None = None) -> list[Revision]:
    """Return the revisions of a chain, by default the project's, parents before children."""
    scripts = scripts or scripts_of(project_config())
    return [Revision(script) for script in reversed(list(scripts.walk_revisions()))]
