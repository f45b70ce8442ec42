"""The naive twins: each is what a docstring names, and what is claimed of it comes true."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from lab.judges import RESULTS, in_readme, scored
from lab.readme import README
from lab.twins import CLAIMS, TwinError, read, twins, without
from tests.conftest import BACKEND, TEMPLATE, Project, generate_here

TWINS = twins()

# What the words of a docstring promise, and the claims of which one has to stand in a twin.
PROMISES = {
    r"rewrites the table": {"rewrites"},
    r"while no session can read|under the exclusive lock": {"blocks reads"},
    r"writes? waits?\b|every INSERT, UPDATE and DELETE waits": {
        "blocks writes",
        "blocks reads",
    },
    r"\bfails?\b|\brefuses\b|stops at": {"fails", "refuses", "breaks running code"},
    r"one UPDATE\b(?! of all of them)|one UPDATE of all": {"locks rows", "loses", "fails"},
    r"breaks? the code|\bCASCADE\b|at the switch": {"breaks running code", "breaks old code"},
    r"DELETE .*(NOT IN|of all but one)|every name is lost|locks everybody out": {"loses"},
    r"without an index|reads? every|cannot use": {"plans"},
    r"as large|also keeps every key|no query ever looks up": {"is larger", "refuses"},
}


def instead_of() -> dict[str, str | None]:
    """Return what each docstring says under `Instead of:`, by the revision's slug."""
    found: dict[str, str | None] = {}
    for path in sorted((BACKEND / "alembic/versions").glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        said = re.search(r"^Instead of: (.*(?:\n[ \t]+.*)*)", docstring, re.M)
        found[path.stem.split("_", 2)[2]] = " ".join(said[1].split()) if said else None
    return found


def test_each_revision_has_a_twin_or_a_reason() -> None:
    chain, with_twin, reasons = instead_of(), {twin.slug for twin in TWINS}, without()
    assert len(with_twin) >= 90
    assert with_twin | reasons.keys() == chain.keys()
    assert not with_twin & reasons.keys()
    assert [slug for slug in with_twin if chain[slug] is None] == [], "a twin of nothing"
    assert [slug for slug, why in reasons.items() if not re.fullmatch(r"\S.*\.", why)] == []


def test_twin_and_docstring_say_the_same() -> None:
    chain, wrong = instead_of(), []
    for twin in TWINS:
        said = chain[twin.slug]
        if twin.instead_of != said:
            wrong.append(f"{twin.path.name}: quotes {twin.instead_of!r}, the docstring says {said!r}")
    for slug, said in chain.items():
        claims = [claim for twin in TWINS if twin.slug == slug for claim in twin.claims]
        kinds = {c.kind if c.kind != "blocks" else f"blocks {c.parts['who']}" for c in claims}
        wrong += [
            f"{slug}: says {said!r}, and no twin claims {' or '.join(sorted(promised))}"
            for words, promised in PROMISES.items()
            if claims and re.search(words, said or "") and not promised & kinds
        ]
    assert wrong == []


def test_each_kind_of_claim_is_made() -> None:
    assert {claim.kind for twin in TWINS for claim in twin.claims} == CLAIMS.keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- claim: fails 23505\n", "says no Instead of:"),
        ("-- Instead of: this\n", "claims nothing"),
        ("-- Instead of: this\n-- claim: is bad\n", "'is bad' is no claim"),
        ("-- Instead of: this\n-- claims: fails 23505\n", "'claims: fails 23505' is none of"),
        ("-- Instead of: this\n-- way: up\n-- claim: fails 23505\n", "way: is downgrade or is not said"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Any, text: str, message: str) -> None:
    path = tmp_path / "twin.sql"
    path.write_text(text)
    with pytest.raises(TwinError, match=re.escape(message)):
        read(path)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A backend with the chain."""
    project = generate_here(tmp_path_factory.mktemp("lab"))
    project.install()
    yield project
    project.remove_server()


@pytest.fixture(scope="module")
def trials(backend: Project) -> Any:
    """What came of the twins in one walk along the chain."""
    backend.run("python -m lab.trials > trials.json || [ $? = 1 ]", PYTHONPATH=str(TEMPLATE))
    return json.loads(backend.read("trials.json"))


@pytest.mark.slow
def test_what_is_claimed_comes_true_and_not_of_the_right_way(trials: Any) -> None:
    wrong = [
        f"{each['twin']}: {each['claim']}\n    the twin: {each['naive']}\n    the revision: {each['right']}"
        for each in trials["verdicts"]
        if not each["holds"]
    ]
    assert not wrong, "\n" + "\n".join(wrong)
    tried = {(each["twin"], each["claim"]) for each in trials["verdicts"]}
    assert tried == {(str(twin), claim.words) for twin in TWINS for claim in twin.claims}


# Prints what a review finds in each revision of the chain, in one walk.
REVIEWED = """
import json
from migrate.ledger.measure import measure
from migrate.review import judged
entries, unfinished = measure(compare=True)
print(json.dumps({e.revision.slug: [fault.what for fault in judged(e, unfinished)] for e in entries}))
"""


@pytest.mark.slow
def test_a_review_passes_every_revision_of_the_chain(backend: Project) -> None:
    (backend / "reviewed.py").write_text(REVIEWED)
    found = json.loads(backend.run("PYTHONPATH=. python reviewed.py"))
    (backend / "reviewed.py").unlink()
    assert found.keys() == instead_of().keys()
    assert {slug: faults for slug, faults in found.items() if faults} == {}


@pytest.mark.slow
def test_a_review_refuses_the_naive_way_and_names_the_right_one(trials: Any) -> None:
    groups = tomllib.loads((BACKEND / "alembic/versions/scenarios.toml").read_text(encoding="utf-8"))
    refused, named = set(), set()
    for twin in TWINS:
        faults = trials["ledger"][str(twin)]
        seen = {scenario["slug"] for fault in faults for scenario in fault["scenarios"]}
        steps = [group.get("steps", [slug]) for slug, group in groups.items()]
        right = {twin.slug}.union(*(group for group in steps if twin.slug in group))
        refused |= {str(twin)} if faults else set()
        named |= {str(twin)} if right & seen else set()
    print(f"{len(refused)} of {len(TWINS)} refused; not the right way named of {sorted(refused - named)}")
    assert len(named) >= 85
    assert named <= refused


def test_what_a_review_names_is_in_the_chain() -> None:
    table = tomllib.loads((BACKEND / "migrate/review.toml").read_text(encoding="utf-8"))
    entries = [entry for kind in table.values() for entry in kind]
    assert {slug for entry in entries for slug in entry["see"]} <= instead_of().keys()
    for kind in table.values():  # only the last of a kind may be for all others
        assert all("says" in entry for entry in kind[:-1])
    for entry in entries:
        assert entry["instead"]


@pytest.mark.slow
def test_the_score_of_the_judges_is_up_to_date(backend: Project, trials: Any) -> None:
    written = scored(backend.folder, trials)
    assert RESULTS.read_text(encoding="utf-8") == written, "make judges"
    readme = README.read_text(encoding="utf-8")
    assert readme == in_readme(readme, written), "make judges"
