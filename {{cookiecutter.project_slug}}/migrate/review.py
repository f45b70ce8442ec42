"""One verdict on one revision, measured: `python -m migrate review`.

What is found is the ledger's: what the revision does on rows, held against the policy and against its
docstring. Which scenario shows the right way is told by the kind of fault and by the words of the
statement that does it: review.toml.
"""

import json
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from database import ROOT
from migrate.chain import Revision, project_config, revisions
from migrate.find import FILLERS, plain
from migrate.ledger import words
from migrate.ledger.measure import Entry, MeasureError, Run, measure_one
from migrate.ledger.policy import Policy, findings
from migrate.ledger.record import did
from migrate.run.failures import first_cause, one_line, sqlstate
from migrate.scripts import read, scripts_of

TABLE = Path(__file__).with_suffix(".toml")
PYPROJECT = ROOT / "pyproject.toml"

# The exit code of a verdict. 1 says that there is none, and 2 that the command line is wrong.
CODES = {"passes": 0, "refused": 3}

# So many scenarios are named of a fault.
SCENARIOS = 3

# SQLSTATEs by which the server, and not the revision, is what fails.
SERVER = ("08", "53", "57", "58", "XX")


@dataclass(frozen=True)
class Scenario:
    """A revision that shows how it is done.

    Attributes:
        slug: its name.
        file: where it is, None where this backend does not have it.
    """

    slug: str
    file: str | None


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: what the policy calls it; the field of the docstring that is not so; "fails".
        what: what was measured, in one line.
        statement: the beginning of the statement that does it, empty where it is none.
        instead: what to do, empty where that is said already.
        scenarios: where it is done so, the likeliest first.
    """

    kind: str
    what: str
    statement: str
    instead: str
    scenarios: Sequence[Scenario]


@dataclass(frozen=True)
class Review:
    """A verdict.

    Attributes:
        revision: the id.
        file: the path.
        summary: the first line of the docstring.
        verdict: "passes" or "refused".
        measured: what its upgrade does, in words; None where it failed.
        faults: why it is refused.
        template: where the scenarios can be read that are not here.
    """

    revision: str
    file: str
    summary: str
    verdict: str
    measured: str | None
    faults: Sequence[Fault]
    template: str


def show(target: str, *, as_json: bool) -> int:
    """Print the verdict on a revision, and return its exit code.

    Args:
        target: its file, in the chain or not yet, or its id; empty for the head.
        as_json: for a program.

    Raises:
        CommandError: it cannot be measured; the message says why.
    """
    found = review(target)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
        return CODES[found.verdict]
    print(f"{found.verdict}: {found.file} ({found.revision}): {found.summary}")
    if found.measured:
        print(f"measured: {found.measured}")
    for fault in found.faults:
        print(f"- {fault.kind}: {fault.what}")
        for name, text in (("in", fault.statement), ("instead", fault.instead)):
            if text:
                print(f"    {name}: {text}")
        for scenario in fault.scenarios:
            print(f"    see {scenario.slug}{f': {scenario.file}' if scenario.file else ''}")
    if any(not scenario.file for fault in found.faults for scenario in fault.scenarios):
        print(f"What has no file here is in {found.template}")
    return CODES[found.verdict]


def review(target: str, config: Config | None = None) -> Review:
    """Measure a revision and judge it. Arguments and errors as of `show`, with Alembic's configuration."""
    config = config or project_config()
    with _placed(target, config) as (scripts, revision):
        try:
            entry, unfinished = measure_one(revision, scripts, config)
        except MeasureError as error:
            if not error.revision or error.revision.id != revision.id or _is_the_servers(error):
                raise
            faults, measured = [failed(error)], None
        else:
            faults, measured = judged(entry, unfinished), words.sentence(did(entry.upgrade))
        here = {each.slug: each.path for each in revisions(scripts_of(config))}
    path = Path(target) if target.endswith(".py") else revision.path
    return Review(
        revision.id,
        _shown(path),
        revision.summary,
        "refused" if faults else "passes",
        measured,
        [replace(fault, scenarios=_located(fault.scenarios, here)) for fault in faults],
        _template(),
    )


def judged(entry: Entry, unfinished: Iterable[str], policy: Policy | None = None) -> list[Fault]:
    """Return what is wrong with a revision.

    Args:
        entry: what was measured of it, with the rows before and after.
        unfinished: what is not valid at head.
        policy: by default that of pyproject.toml.
    """
    policy = policy or Policy.load(PYPROJECT)
    faults = [
        _fault(each.kind, each.what, each.statement, entry.upgrade)
        for each in findings([entry], unfinished, policy)
    ]
    if entry.revision.lossless and entry.downgrade:
        for table, count in _changed(entry.upgrade, entry.downgrade):
            what = f"Rollback: says lossless, measured: {count} rows of {table} come back otherwise, or not"
            faults.append(_fault("Rollback", what, "", entry.upgrade))
    if unsaid := entry.revision.unsaid:
        faults.append(Fault("docstring", f"it lacks {', '.join(unsaid)}", "", "", ()))
    return faults


def failed(error: MeasureError) -> Fault:
    """Return the fault of a revision that does not come to its end."""
    cause = first_cause(error.__cause__ or error)
    state, statement = sqlstate(cause), str(getattr(cause, "statement", None) or "")
    what = f"it fails on the sample rows: {f'{state}: ' if state else ''}{one_line(cause)}"
    return _fault("fails", what, " ".join(statement.split())[:200], None)


def _changed(upgrade: Run, downgrade: Run) -> Iterator[tuple[str, int]]:
    """Yield the tables whose rows are others after a downgrade, and how many of them."""
    for table, rows in upgrade.held.items():
        if rows and (lost := (rows - downgrade.held.get(table, Counter())).total()):
            yield table, lost


def _is_the_servers(error: MeasureError) -> bool:
    return sqlstate(first_cause(error.__cause__ or error)).startswith(SERVER)


# The scenarios.


def _fault(kind: str, what: str, statement: str, run: Run | None) -> Fault:
    """Return a fault, with what to do instead and where it is done so."""
    partitioned = {*run.parents.values()} if run else set()
    traits = "partitioned" if any(re.search(rf"\b{re.escape(t)}\b", what) for t in partitioned) else ""
    text = f"{statement} {what.partition('; if it has to')[0]} {traits}"
    for entry in _table().get(kind, []):
        if re.search(entry.get("says", ""), text, re.IGNORECASE | re.DOTALL):
            best = sorted(entry["see"], key=lambda slug: -len(_words(slug) & _words(text)))
            return Fault(
                kind, what, statement, entry["instead"], [Scenario(slug, None) for slug in best[:SCENARIOS]]
            )
    return Fault(kind, what, statement, "", ())


def _table() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in plain(text).split() if word not in FILLERS}


def _located(scenarios: Iterable[Scenario], here: dict[str, Path]) -> list[Scenario]:
    return [replace(each, file=_shown(here[each.slug])) if each.slug in here else each for each in scenarios]


def _template() -> str:
    """Return where the whole chain can be read."""
    folder = "alembic/versions, as DATE_SLUG.py"
    with suppress(OSError, ValueError, KeyError):
        known = json.loads((ROOT / ".cruft.json").read_text(encoding="utf-8"))
        return f"the template, {known['template']}: {folder} in its backend"
    return f"the template that this was generated from: {folder} in its backend (history=worked)"


# The revision.


@contextmanager
def _placed(target: str, config: Config) -> Iterator[tuple[ScriptDirectory, Revision]]:
    """Yield the chain and the revision: one of the chain, or a file that is not in it yet.

    The latter takes the place of the one of its id, else it comes after the one that it names.
    """
    scripts = scripts_of(config)
    path = Path(target)
    if not target.endswith(".py"):
        script = scripts.get_revision(target or "head")
        if script is None:
            raise CommandError("there is no revision yet: nothing to review")
        yield scripts, Revision(script)
        return
    if not path.is_file():
        raise CommandError(f"{target} is not there: give the file of a revision, or its id")
    for revision in revisions(scripts):
        if revision.path.samefile(path):
            yield scripts, revision
            return
    source = path.read_text(encoding="utf-8", errors="replace")  # a coding line may say another encoding
    if not (match := re.search(r"^revision(?:: str)? = [\"'](\w+)[\"']", source, re.M)):
        raise CommandError(f"{target} says no revision = …: it is no revision of Alembic")
    with TemporaryDirectory() as folder:
        for each in revisions(scripts):
            if each.id != match[1]:
                shutil.copy(each.path, folder)
        shutil.copy(path, folder)
        around = read(ScriptDirectory(scripts.dir, version_locations=[folder]))
        yield around, Revision(around.get_revision(match[1]))


def _shown(path: Path) -> str:
    with suppress(ValueError):
        return path.absolute().relative_to(ROOT).as_posix()
    return str(path)
