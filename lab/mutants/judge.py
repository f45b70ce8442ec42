"""Whether a revision does what its ledger says, and leads to the schema that the chain had at head.

    python -m lab.mutants.judge SLUG FOLDER

FOLDER has what comes of the revision as it should be; what is not there is written.
"""

import os
import sys
from contextlib import closing
from pathlib import Path

from alembic.script import ScriptDirectory
from alembic.util import CommandError

from database import ROOT
from lab.mutants.chosen import RUN
from migrate.chain import project_config
from migrate.ledger import record, words
from migrate.ledger.measure import Entry, Session
from migrate.ledger.policy import Policy, findings
from migrate.target import scratch_server
from tests.support import BY_SLUG, REVISIONS, SAMPLE_ROWS, Server


def complaints(server: Server, slug: str, folder: Path) -> list[str]:
    """Return what is not as it was."""
    revision, scripts = BY_SLUG[slug], ScriptDirectory.from_config(project_config())
    old = record.load(ROOT / "alembic" / "versions" / record.NAME)
    database = server.before(slug)
    with closing(Session(database.url, scripts, None, SAMPLE_ROWS, timed=False)) as session:
        upgrade = session.move(revision, "upgrade")
        after = database.schema()
        session.fill()
        downgrade = session.move(revision, "downgrade") if revision.reversible else None
    entry = Entry(revision, upgrade, downgrade)
    found = list(
        words.differences([revision], {revision.id: old[revision.id]}, {revision.id: record.of(entry)})
    )
    found += map(str, findings([entry], [], Policy.load(ROOT / "pyproject.toml")))
    if not found and (is_other(after, folder / slug) or not (folder / "head").exists()):
        # Only the schema at head is held against something: what a later revision sets right, nobody sees.
        head = server.before(slug)
        for each in REVISIONS[REVISIONS.index(revision) :]:
            head.upgrade(each.slug)
        if is_other(head.schema(), folder / "head"):
            found = ["another schema at head"]
    return found


def is_other(schema: str, file: Path) -> bool:
    """Whether it is not the schema of a file, which is written where it is not there."""
    if not file.exists():
        file.write_text(schema, encoding="utf-8")
    return schema != file.read_text(encoding="utf-8")


if __name__ == "__main__":
    scratch = Server(scratch_server(), os.environ[RUN], "judge")
    slug, folder = sys.argv[1], Path(sys.argv[2])
    try:
        found = complaints(scratch, slug, folder)
    except CommandError as error:
        sys.exit(str(error))
    # A part of a chain may leave to the next one what the whole may not, and says so the first time.
    if is_other("\n".join(found), folder / f"{slug}.said"):
        sys.exit("\n".join(found) or "what was to be complained of is gone")
