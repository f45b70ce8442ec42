"""The revisions that a new one will replace, and the docstring of the new one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config

from migrate.alembic_internals import revision_path
from migrate.chain import Revision, with_ancestors
from migrate.scripts import scripts_of
from migrate.squash.errors import SquashError
from migrate.squash.write import paragraph

# Statements about the server or the database, not the schema: a dump does not have them.
OUTSIDE = re.compile(r"\b(?:CREATE|ALTER) (?:ROLE|USER|GROUP|DATABASE|TABLESPACE)\b|\bALTER SYSTEM\b", re.I)


@dataclass(frozen=True)
class Plan:
    """The files that one revision will replace."""

    last: Revision  # the new one keeps its id
    squashed: list[Revision]  # the last one and all before it, parents first
    later: list[Revision]
    path: Path  # the new file

    @property
    def doc(self) -> str:
        """The docstring of the new file."""
        first, last = self.squashed[0], self.last
        ids = ", ".join(revision.id for revision in self.squashed[:-1])
        return "\n\n".join([
            f"Baseline: the schema and the rows of {len(self.squashed)} revisions in one.",
            paragraph(
                f"It builds from nothing what {first.path.stem} to {last.path.stem} built one after the "
                f"other, and keeps the id of the last. A database at {last.id} or later needs nothing. "
                f"One before it needs the old files: upgrade it to {last.id} with them."
            ),
            paragraph(
                f"Written by `python -m migrate squash --to {last.id}` from a dump of a database that the "
                "old files had built, and proven to build one whose dump is the same. It takes the place of"
            ),
            paragraph(f"{ids}."),
            "\n".join([
                "Scenario: start from the schema as it is, without its history",
                f"Instead of: {len(self.squashed)} revisions on every new database",
                "Locks: none on tables that exist",
                "Rollback: loses every table and every row",
                f"Deploy: when every database is at {last.id} or later",
            ]),
            "\n".join([
                f"Revision ID: {last.id}",
                "Revises:",
                f"Create Date: {last.created.strftime('%Y-%m-%d %H:%M:%S.%f%z')[:-2]}:00",
                "",
            ]),
        ])  # fmt: skip

    def labels(self) -> tuple[str, ...]:
        """The branch labels that are still needed: not those of branches that are merged."""
        chain = {revision.id: revision for revision in self.squashed}
        return tuple(
            label
            for revision in self.squashed
            for label in labels(revision)
            if all(
                revision.id in with_ancestors(other, chain) or other.id in with_ancestors(revision, chain)
                for other in self.squashed
            )
        )

    def notes(self) -> Iterator[str]:
        """Yield a line for each thing that the old files have and the new one will not have."""
        for revision in self.squashed:
            # The file may be in another encoding, by its coding line; the words are ASCII in each.
            if found := OUTSIDE.search(revision.path.read_text(encoding="utf-8", errors="replace")):
                yield f"{revision.path.name} says {found[0].upper()}: no dump of a database holds that"
            for label in labels(revision):
                if label not in self.labels():
                    yield f"the branch label {label} ({revision.path.name}) ends: its branch has been merged"


def make_plan(config: Config, to: str = "head") -> Plan:
    """Return the plan of a squash.

    Args:
        config: Alembic's, with the chain.
        to: the last revision to squash.

    Raises:
        SquashError: there is nothing to squash, or later revisions depend on an old one.
        CommandError: there is no such revision.
    """
    if not to:
        raise SquashError("--to is empty: name a revision (alembic history lists them)")
    scripts = scripts_of(config)
    heads = scripts.get_heads()
    if not heads:
        raise SquashError("there is no revision yet: nothing to squash")
    if to in ("head", "heads") and len(heads) != 1:
        raise SquashError(
            f"there are {len(heads)} heads ({', '.join(heads)}): name a revision that all of them come after "
            "(--to), or merge them first (alembic merge heads)"
        )
    script = scripts.get_revision(heads[0] if to in ("head", "heads") else to)
    if script is None:
        raise SquashError(f"there is nothing to squash before {to}")
    chain = {script.revision: Revision(script) for script in reversed(list(scripts.walk_revisions()))}
    last = chain[script.revision]
    gone = with_ancestors(last, chain)
    _refuse_loose_ends(last, gone, heads, chain)
    squashed = [revision for id_, revision in chain.items() if id_ in gone]
    # Alembic makes the name by file_template; the date of REV keeps the order of the files.
    path = revision_path(scripts, last.path.parent, last.id, "baseline", last.created)
    return Plan(last, squashed, [r for r in chain.values() if r.id not in gone], path)


def labels(revision: Revision) -> tuple[str, ...]:
    """Return the branch labels that a revision's file gives."""
    given = getattr(revision.script.module, "branch_labels", None) or ()
    return (given,) if isinstance(given, str) else tuple(given)


def _refuse_loose_ends(last: Revision, gone: set[str], heads: list[str], chain: dict[str, Revision]) -> None:
    if gone == {last.id}:
        raise SquashError(f"{last.id} is the first revision: there is nothing before it to squash")
    if strangers := [id_ for id_ in heads if last.id not in with_ancestors(chain[id_], chain)]:
        raise SquashError(
            f"the head {strangers[0]} does not come after {last.id}: squash to a revision that every head "
            "comes after, or merge them first (alembic merge heads)"
        )
    for revision in chain.values():
        if revision.id in gone:
            continue
        for verb, others in (("comes after", revision.parents), ("depends on", revision.needs)):
            for other in others:
                if other in gone - {last.id}:
                    raise SquashError(
                        f"{revision.id} ({revision.path.name}) {verb} {other}, which would be squashed into "
                        f"{last.id}: squash to an earlier revision, or to one that comes after {revision.id}"
                    )
        if not revision.parents:
            raise SquashError(
                f"{revision.id} ({revision.path.name}) begins a branch of its own, which does not come after "
                f"{last.id}: squash to a revision after both are merged"
            )
