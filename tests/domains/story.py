"""What the developer of a service does to its schema, in the order in which it is done.

A domain is a folder: `models/` as they are at first, and what comes after. A revision that the
developer writes is a file of `revisions/`, pasted into what `alembic revision` makes. One that
autogenerate writes is a file of `changes/`: what is filled in in its docstring, and the patch of
the models, which the first one has not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Change:
    """A change to tables with rows.

    Attributes:
        names: the revisions that it takes.
        proof: a query that gives true once it is there, and before gives false or fails.
        stays: the downgrade leaves it, as PostgreSQL has no way back.
    """

    names: tuple[str, ...]
    proof: str
    stays: bool = False


@dataclass(frozen=True)
class Domain:
    """A service's schema and what becomes of it.

    Attributes:
        name: its folder here.
        birth: the revisions that lead to the models as they are at first.
        changes: what comes after.
        works: queries that give true where what SQL alone makes (triggers, views, …) does its work.
        refused: for a constraint that SQLAlchemy does not make, a statement that it refuses.
    """

    name: str
    birth: tuple[str, ...]
    changes: tuple[Change, ...]
    works: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def models(self) -> Path:
        return HERE / self.name / "models"

    def written(self, name: str) -> Path | None:
        """Return the file of a revision that the developer writes; None where autogenerate does."""
        path = HERE / self.name / "revisions" / f"{name}.py"
        return path if path.exists() else None

    def patch(self, name: str) -> Path:
        """Return the file of a revision that autogenerate writes."""
        return HERE / self.name / "changes" / f"{name}.patch"
