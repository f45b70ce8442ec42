"""Leave out or weaken each thing of each revision, and see whether a test notices.

    python -m lab.backend lab.mutants [SLUG …] [--only REGEX] [--sample N [--seed N]] [--list]

`make mutants` runs it. A mutant that no test notices survives: a test is missing, or what it leaves out
is not needed, or it comes to the same, which equivalent.toml says with the reason. After a run over the
whole chain, or a sample of it, the score and the survivors are in lab/results/mutants.json.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from rich.console import Console

from database import ROOT
from lab.mutants.chosen import RUN, SLUG
from lab.mutants.made import Mutant, mutants
from lab.mutants.sample import interval, sampled
from migrate.chain import Revision, with_ancestors
from migrate.target import scratch_server
from postgres.client import parameters
from tests.support import BY_ID, REVISIONS, Server

RESULTS = Path(__file__).parents[1] / "results" / "mutants.json"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
# What pytest exits with where a file cannot be imported, by the mutant's doing; above it, by ours.
COULD_NOT_BE_READ = 2
# A mutant may take so much longer than what it was made of, with so many seconds besides.
PATIENCE, GRACE = 5, 60

# Two mutants of one size within a second would be one and the same to a cache of bytecode.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
PYTEST = ["pytest", "-x", "-q", "-p", "no:cacheprovider"]
# Tests that read the files, for what no measurement sees.
TEXTS = ["tests/scenarios/test_backfill.py", "tests/test_worked.py"]
ABOUT = "backfills or transaction or locked_in"
# In turn, until one notices.
JUDGES = {
    "tests": [
        *PYTEST,
        *("-p", "lab.mutants.chosen", "tests/test_history.py", "tests/test_worked.py", "{scenarios}"),
    ],
    "ledger or schema": ["lab.mutants.judge", "{slug}", "{schemas}"],
    "text": [*PYTEST, *TEXTS, "-k", ABOUT],
}


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        by: the judge that noticed; "" where none did.
        how: in its words.
        seconds: how long that took.
    """

    by: str
    how: str
    seconds: float


class Trial:
    """The chain with one file of it changed, and the tests on it."""

    def __init__(self, folder: Path) -> None:
        """Prepare.

        Args:
            folder: for what is kept meanwhile.
        """
        self._run = f"mutants{os.getpid()}"
        self._server = Server(scratch_server(), self._run, "main")
        self._schemas = folder
        self._took: dict[str, float] = {}

    def baseline(self, revision: Revision) -> None:
        """Run the tests on the revision as it is.

        Raises:
            SystemExit: one fails.
        """
        self._took = {}
        for judge in JUDGES:
            outcome = self._ask(judge, revision, None)
            if outcome.by:
                sys.exit(f"error: {revision}: fails without a mutant, by {outcome.by}: {outcome.how}")
            self._took[judge] = outcome.seconds
        self._clear(revision)

    def outcome(self, mutant: Mutant, revision: Revision) -> Outcome:
        """Run the tests on a mutant."""
        original, took = revision.path.read_bytes(), 0.0
        revision.path.write_text(mutant.source, encoding="utf-8")
        try:
            for judge, limit in self._took.items():
                outcome = self._ask(judge, revision, PATIENCE * limit + GRACE)
                took += outcome.seconds
                if outcome.by:
                    break
        finally:
            revision.path.write_bytes(original)
            self._clear(revision)
        return Outcome(outcome.by, outcome.how, took)

    def close(self) -> None:
        """Drop the databases."""
        self._server.drop_all()

    def _ask(self, judge: str, revision: Revision, limit: float | None) -> Outcome:
        places: dict[str, Sequence[object]] = {
            "{slug}": [revision.slug],
            "{schemas}": [self._schemas],
            "{scenarios}": about(revision),
        }
        command = [str(given) for word in JUDGES[judge] for given in places.get(word, [word])]
        environment = {**os.environ, **ENVIRONMENT, RUN: self._run, SLUG: revision.slug}
        begun = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", *command],
                cwd=ROOT, env=environment, timeout=limit,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Outcome(judge, "does not come to an end", time.monotonic() - begun)
        seconds = time.monotonic() - begun
        if done.returncode == 0:
            return Outcome("", "", seconds)
        if done.returncode > COULD_NOT_BE_READ:
            sys.exit(f"error: {judge} of {revision} cannot be run:\n{done.stdout.strip()}")
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
        return Outcome(
            judge, failed[0] if failed else (done.stdout.strip().splitlines() or ["?"])[-1], seconds
        )

    def _clear(self, revision: Revision) -> None:
        """Drop the databases that the revision has run on; those before it are the next one's too."""
        later = {id_ for id_ in BY_ID if revision.id in with_ancestors(BY_ID[id_], BY_ID)}
        with psycopg.connect(**parameters(scratch_server()), autocommit=True) as connection:
            known = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
            for (name,) in connection.execute(known, [self._server.prefix]).fetchall():
                ids = set(re.findall(r"[0-9a-f]{12}", name.removeprefix(self._server.prefix)))
                if not ids or ids & later:
                    connection.execute(
                        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                    )


def about(revision: Revision) -> list[Path]:
    """Return the files of tests/scenarios that name a revision, and those that look at all of them."""
    return [
        path
        for path in sorted((ROOT / "tests" / "scenarios").glob("test_*.py"))
        if re.search(rf"\b(REVISIONS|{revision.slug})\b", path.read_text(encoding="utf-8"))
    ]


def equivalents(found: Sequence[Mutant]) -> dict[Mutant, str]:
    """Return which mutants come to the same as the revision, and why."""
    said = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    return {
        mutant: each["reason"]
        for mutant in found
        for each in said
        if re.fullmatch(each["mutant"], mutant.change) and mutant.slug in each.get("slugs", [mutant.slug])
    }


def score(outcomes: Mapping[Mutant, Outcome], same: Mapping[Mutant, str]) -> dict[str, Any]:
    """Return what stands in the file of results."""
    counted = {mutant: outcome for mutant, outcome in outcomes.items() if mutant not in same}
    by = Counter(outcome.by for outcome in counted.values())
    alive = by.pop("", 0)
    return {
        "mutants": len(counted),
        "killed": len(counted) - alive,
        "score": round(100 * (1 - alive / len(counted)), 1) if counted else 100.0,
        "killed_by": dict(by.most_common()),
        "equivalent": len(same),
        "seconds": round(sum(outcome.seconds for outcome in outcomes.values())),
        "survivors": [str(mutant) for mutant, outcome in counted.items() if not outcome.by],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.backend lab.mutants", description=__doc__)
    parser.add_argument("slugs", metavar="SLUG", nargs="*", help="revisions (all)")
    parser.add_argument("--list", action="store_true", help="print the mutants, and run nothing")
    parser.add_argument("--only", default="", metavar="REGEX", help="those whose change it is found in")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many of them, by chance")
    parser.add_argument("--seed", type=int, default=1, help="decides which")
    options = parser.parse_args(arguments)
    if unknown := set(options.slugs) - {revision.slug for revision in REVISIONS}:
        parser.error(f"{min(unknown)}: no revision of the chain is called so")
    chosen = [revision for revision in REVISIONS if not options.slugs or revision.slug in options.slugs]
    made = {
        each: [
            mutant
            for mutant in mutants(each.slug, each.path.read_text(encoding="utf-8"))
            if re.search(options.only, mutant.change)
        ]
        for each in chosen
    }
    same = equivalents([mutant for found in made.values() for mutant in found])
    of = sum(mutant not in same for found in made.values() for mutant in found)
    if options.sample:
        alive = {each: [mutant for mutant in found if mutant not in same] for each, found in made.items()}
        try:
            made, same = sampled(alive, options.sample, options.seed), {}
        except ValueError:
            parser.error(f"--sample={options.sample}: there are {of}")
    if options.list:
        for mutant in (mutant for found in made.values() for mutant in found):
            print(mutant, f"(equivalent: {same[mutant]})" if mutant in same else "")
        return 0
    outcomes: dict[Mutant, Outcome] = {}
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        try:
            for revision, found in made.items():
                trial.baseline(revision)
                for mutant in found:
                    if mutant not in same:
                        outcome = outcomes[mutant] = trial.outcome(mutant, revision)
                        fate = f"{outcome.by}: {outcome.how}" if outcome.by else "SURVIVES"
                        console.print(f"{outcome.seconds:6.1f} s  {mutant}  {fate}")
        finally:
            trial.close()
    result = score(outcomes, same)
    print(f"{result['killed']} of {result['mutants']} mutants killed: {result['score']} %")
    if options.sample:
        low, high = interval(result["killed"], result["mutants"])
        result |= {"sampled_of": of, "seed": options.seed, "score_of_all": [low, high]}
        print(f"a sample of {of}: of all, {low} to {high} %")
    print("killed by", ", ".join(f"{judge}: {count}" for judge, count in result["killed_by"].items()))
    print(f"{result['equivalent']} more come to the same. Survivors:")
    print("\n".join(result["survivors"]) or "none")
    if not (options.slugs or options.only):
        RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
