"""`make mutants`: what is left out of a revision, and that the tests notice it, and nothing else."""

import os
import subprocess
import sys

import pytest

from lab.backend import generated
from lab.mutants.made import mutants
from lab.mutants.sample import interval, sampled
from tests.conftest import TEMPLATE

SOURCE = '''
"""Docstring: WHERE a = b is left alone."""

NAME = "idx"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            BEGIN
                LOCK TABLE t IN SHARE MODE;  -- FOR UPDATE; in a comment
                IF NOT EXISTS (SELECT FROM c WHERE name = 'a; b' AND kind BETWEEN 'a' AND 'z') THEN
                    PERFORM FROM t WHERE (a OR b) ORDER BY id FOR NO KEY UPDATE;
                    COMMIT;
                END IF;
            END
            $$
        """)
        op.create_index(NAME, "t", ["a"], postgresql_concurrently=True)
        op.execute(f"ALTER TABLE t ADD CONSTRAINT c_{NAME} CHECK (a > 0) NOT VALID")


def downgrade() -> None:
    """Docstring: WHERE a = b is left alone here too."""
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS idx")
'''
CHANGES = [
    "leaves out DO $$ BEGIN LOCK TABLE t IN SHARE MODE; IF NOT EXISTS (SELECT FROM c WHERE name = 'a; b' …",
    "leaves out LOCK TABLE t IN SHARE MODE;",
    "leaves out PERFORM FROM t WHERE (a OR b) ORDER BY id FOR NO KEY UPDATE;",
    "leaves out COMMIT;",
    "has false in place of NOT EXISTS (SELECT FROM c WHERE name = 'a; b' AND kind BETWEEN 'a' AND 'z')",
    "has true in place of NOT EXISTS (SELECT FROM c WHERE name = 'a; b' AND kind BETWEEN 'a' AND 'z')",
    "leaves out name = 'a; b' AND",
    "leaves out AND kind BETWEEN 'a' AND 'z'",
    "has true in place of (a OR b)",
    "leaves out FOR NO KEY UPDATE",
    "leaves out ORDER BY id",
    "leaves out op.create_index(NAME, 't', ['a'], postgresql_concurrently=True)",
    "leaves out postgresql_concurrently=True",
    "leaves out ALTER TABLE t ADD CONSTRAINT c_{NAME} CHECK (a > 0) NOT VALID",
    "leaves out NOT VALID",
    "leaves out DROP INDEX CONCURRENTLY IF EXISTS idx",
    "leaves out CONCURRENTLY",
    "leaves out IF EXISTS",
]

TRIAL = """
import sys, tempfile
from pathlib import Path
from lab.mutants.__main__ import Trial
from lab.mutants.made import Mutant, mutants
from tests.support import BY_SLUG

revision = BY_SLUG["index_document_tags"]
source = revision.path.read_text()
known = [each for each in mutants(revision.slug, source) if each.change == "leaves out if_not_exists=True"]
neutral = Mutant(revision.slug, "upgrade", "a comment", source.replace("BEGIN", "BEGIN -- of the block", 1))
assert neutral.source != source
trial = Trial(Path(tempfile.mkdtemp()))
try:
    trial.baseline(revision)
    for mutant in (known[0], neutral):
        print(bool(trial.outcome(mutant, revision).by))
finally:
    trial.close()
assert revision.path.read_text() == source
"""


def test_each_thing_is_left_out_or_weakened_once() -> None:
    found = mutants("s", SOURCE)
    assert sorted(each.change for each in found) == sorted(CHANGES)
    assert {each.direction for each in found} == {"upgrade", "downgrade"}
    by_change = {each.change: each.source for each in found}
    scope: dict[str, object] = {"NAME": "idx"}
    line = next(row for row in by_change["leaves out NOT VALID"].splitlines() if "CONSTRAINT" in row)
    exec(line.strip().replace("op.execute", "sql ="), scope)  # what it says is Python, and the name is in it
    assert scope["sql"] == "ALTER TABLE t ADD CONSTRAINT c_idx CHECK (a > 0) "
    left = by_change["leaves out AND kind BETWEEN 'a' AND 'z'"]
    assert "WHERE name = \\'a; b\\' ) THEN" in left or "WHERE name = 'a; b' ) THEN" in left
    assert "Docstring: WHERE a = b is left alone." in left


@pytest.mark.slow
def test_a_mutant_is_noticed_and_a_comment_is_not() -> None:
    with generated() as backend:
        done = subprocess.run(
            [sys.executable, "-P", "-c", TRIAL],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(backend), str(TEMPLATE)])},
            capture_output=True,
            text=True,
        )
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_revision_that_is_none_is_refused_by_name() -> None:
    command = [sys.executable, "-m", "lab.backend", "lab.mutants", "nonsense"]
    done = subprocess.run(command, cwd=TEMPLATE, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("nonsense: no revision of the chain is called so")


def test_a_sample_is_the_same_each_time_and_says_how_much_it_says() -> None:
    made = {"a": list(range(50)), "b": [50], "c": list(range(51, 100))}
    assert sampled(made, 20, 1) == sampled(made, 20, 1) != sampled(made, 20, 2)
    assert sampled(made, 100, 1) == made
    assert [] not in sampled(made, 2, 1).values()
    assert interval(95, 100) == (88.8, 97.8)
    assert interval(20, 20)[1] == 100
