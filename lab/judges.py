"""Score squawk, zdm and the ledger on the naive twins and on the chain: `make judges`.

    .venv/bin/python -m lab.judges BACKEND TRIALS

BACKEND is a generated backend with the chain, TRIALS what lab.trials has printed there. The score
goes into lab/results/judges.md, and its sums into README.md too.

Each judge sees the naive way as it sees a revision: squawk its SQL, zdm its Python; the ledger
runs it. Something is caught when there is a finding about it. Findings of taste do not count.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab.readme import README, filled
from lab.twins import Twin, twins

TEMPLATE = Path(__file__).resolve().parents[1]
RESULTS = TEMPLATE / "lab" / "results" / "judges.md"

JUDGES = ("squawk", "zdm", "ledger")

# Which of two sound ways is preferred, and whether what runs in no transaction can be repeated.
TASTE = re.compile(r"prefer-")

# What goes wrong, and the kinds of claim that say so. A twin counts by its first claim.
GROUPS = {
    "stalls the code that is running": ("rewrites", "blocks", "scans again"),
    "locks every row that it changes until the end": ("locks rows",),
    "fails on rows": ("fails",),
    "breaks the code that is running": ("breaks running code", "breaks old code"),
    "loses rows or values": ("loses",),
    "gives new code another schema than it needs": ("refuses", "accepts", "answers"),
    "leaves a query slow, or an index large": ("plans", "is larger"),
    "shows a secret": ("shows",),
}

# What zdm wants to see written as operations of Alembic.
OPERATIONS = {
    r"ALTER TABLE (\w+) ALTER COLUMN (\w+) SET NOT NULL": 'op.alter_column("{0}", "{1}", nullable=False)',
    r"ALTER TABLE (\w+) ADD CONSTRAINT (\w+)\s+UNIQUE \((.+)\)": (
        'op.create_unique_constraint("{1}", "{0}", ["{2}"])'
    ),
    r"ALTER TABLE (\w+) ADD CONSTRAINT (\w+)\s+FOREIGN KEY \((\w+)\) REFERENCES (\w+) \((\w+)\).*": (
        'op.create_foreign_key("{1}", "{0}", "{3}", ["{2}"], ["{4}"])'
    ),
    r"ALTER TABLE (\w+) ADD CONSTRAINT (\w+)\s+CHECK \((.+)\)": (
        'op.create_check_constraint("{1}", "{0}", "{2}")'
    ),
    r"ALTER TABLE (\w+) DROP COLUMN (\w+)": 'op.drop_column("{0}", "{1}")',
    r"ALTER TABLE (\w+) RENAME (?:COLUMN )?(\w+) TO (\w+)": (
        'op.alter_column("{0}", "{1}", new_column_name="{2}")'
    ),
    r"ALTER TABLE (\w+) RENAME TO (\w+)": 'op.rename_table("{0}", "{1}")',
    r"DROP INDEX (\w+)": 'op.drop_index("{0}")',
    r"DROP INDEX CONCURRENTLY (?:IF EXISTS )?(\w+)": 'op.drop_index("{0}", postgresql_concurrently=True)',
}

# By file: the rules by which each judge finds fault with it.
Findings = dict[str, dict[str, list[str]]]


# The judges.


def scripts(backend: Path, folder: Path) -> list[Path]:
    """Write the SQL of each revision's upgrade into a file of its slug's name."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=backend,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    settings, *parts = re.split(
        r"^BEGIN;\n(?=\n-- Running|\nCREATE TABLE alembic_version)", done.stdout, flags=re.M
    )
    slugs = {
        re.findall(r'^revision = "(\w+)"', path.read_text(encoding="utf-8"), re.M)[0]: _slug(path.stem)
        for path in (backend / "alembic/versions").glob("*.py")
    }
    written = []
    for part in parts:
        [revision] = re.findall(r"^-- Running upgrade .*-> (\w+)$", part, re.M)
        written.append(folder / f"{slugs.pop(revision)}.sql")
        written[-1].write_text(f"{settings}BEGIN;\n{part}", encoding="utf-8")
    assert not slugs, f"not in the SQL: {slugs}"
    return written


def _slug(name: str) -> str:
    return name.split("_", 2)[2]


def squawk(files: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield the rule, the name of the file and the words of what squawk finds."""
    for found in json.loads(_judge("squawk", "--pg-version=15", "--reporter=json", *files)):
        yield found["rule_name"], Path(found["file"]).stem, found["message"]


def zdm(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the rule, the name of the file and the words of what zdm finds in a folder of revisions."""
    for found in json.loads(_judge("zdm", "--output-format=json", folder))["diagnostics"]:
        yield found["rule_id"], Path(found["path"]).stem, f"line {found['line']}: {found['message']}"


def operation(sql: str) -> str:
    """Return a statement as Alembic's operation, where zdm knows it as one only."""
    for pattern, written in OPERATIONS.items():
        if match := re.fullmatch(pattern, sql, re.S):
            return written.format(*match.groups())
    return f'op.execute("""{sql}""")'


def _judge(program: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments], capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr  # 1: it has found something
    return done.stdout


# What they are shown.


def of_the_naive(shown: Sequence[Twin], trials: Mapping[str, Any]) -> Findings:
    """Return what the judges find in the twins.

    Args:
        shown: the twins.
        trials: what lab.trials has printed.
    """
    found: Findings = {str(twin): {judge: [] for judge in JUDGES} for twin in shown}
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder, "alembic", "versions")  # where zdm looks
        versions.mkdir(parents=True)
        for twin in shown:
            name = sha256(str(twin).encode()).hexdigest()[:12]
            revision = twin.revision(name, None, meanwhile=False, operation=operation)
            (versions / f"{twin}.py").write_text(revision, encoding="utf-8")
            settings = "SET lock_timeout = '2000ms';\n\nSET statement_timeout = '0ms';\n\n"  # the guard's
            if twin.path.suffix == ".sql":
                Path(folder, f"{twin}.sql").write_text(settings + twin.script(), encoding="utf-8")
        for rule, name, _ in squawk(sorted(Path(folder).glob("*.sql"))):
            _add(found[name]["squawk"], rule)
        for rule, name, _ in zdm(versions):
            _add(found[name]["zdm"], rule)
    for name in found:
        for fault in trials["ledger"][name]:
            _add(found[name]["ledger"], fault["kind"])
    return found


def of_the_right(backend: Path) -> Findings:
    """Return what the judges complain about in the upgrades of the chain.

    The ledger's complaints are those that an `Allow:` line answers.
    """
    versions = backend / "alembic" / "versions"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(versions.glob("*.py"))}
    found: Findings = {_slug(name): {judge: [] for judge in JUDGES} for name in texts}
    with tempfile.TemporaryDirectory() as folder:
        for rule, name, _ in squawk(scripts(backend, Path(folder))):
            _add(found[name]["squawk"], rule)
    for rule, name, words in zdm(versions):
        way_back = texts[name][: texts[name].index("def downgrade()")].count("\n")
        if int(words.split()[1].rstrip(":")) <= way_back:
            _add(found[_slug(name)]["zdm"], rule)
    for name, source in texts.items():
        for kind in re.findall(r"^Allow: (\w+)", source, re.M):
            _add(found[_slug(name)]["ledger"], kind)
    return found


def _add(rules: list[str], rule: str) -> None:
    if not TASTE.match(rule) and rule not in rules:
        rules.append(rule)


# The tables.


def scored(backend: Path, trials: Mapping[str, Any]) -> str:
    """Return lab/results/judges.md.

    Args:
        backend: a generated backend with the chain.
        trials: what lab.trials has printed there.
    """
    every = twins()
    shown = [twin for twin in every if twin.statements or twin.path.suffix == ".py"]
    naive, right = of_the_naive(shown, trials), of_the_right(backend)
    idle = len(every) - len(shown)
    head = f"""# Three judges of a migration

squawk {version("squawk-cli")} reads the SQL of a migration, zdm {version("zdm")} its Python; the ledger of a
backend runs it and measures. Here they judge the naive twins in [lab/naive](../naive), of each of which
the lab has seen that what is claimed comes true, and the revisions of the chain. `make judges` writes
this file.

Of {len(every)} twins {idle} have no statement, as the naive way is to do nothing: no judge sees them, and
they are left out. Any finding counts as a catch, also one that is not about what goes wrong. Taste does not
count (squawk's rules prefer-…), nor what zdm says of the ways back, which the others are not shown.
A twin has no docstring: Deploy and Rollback say that one would have to tell what is taken from running code,
and what is lost. That all of it is empty does not count.

"""
    return f"{head}{summary(shown, naive, right)}\n{_naive_table(shown, naive)}\n{_right_table(right)}"


def summary(shown: Sequence[Twin], naive: Findings, right: Findings) -> str:
    """Return the table that says how many each judge has caught."""
    lines = [
        "| what the naive way does | twins | " + " | ".join(f"{judge} catches" for judge in JUDGES) + " |",
        "| --- | --: | --: | --: | --: |",
    ]
    for words, kinds in GROUPS.items():
        group = [str(twin) for twin in shown if twin.claims[0].kind in kinds]
        lines.append(_row(words, len(group), (sum(bool(naive[name][j]) for name in group) for j in JUDGES)))
    caught = [sum(bool(found[judge]) for found in naive.values()) for judge in JUDGES]
    lines.append(_row("**caught of the naive**", len(naive), caught))
    apart = [
        sum(bool(set(naive[str(twin)][judge]) - set(right[twin.slug][judge])) for twin in shown)
        for judge in JUDGES
    ]
    lines.append(_row("and by a rule that lets the right way pass", len(naive), apart))
    complaints = [sum(bool(found[judge]) for found in right.values()) for judge in JUDGES]
    lines.append(_row("**complained about of the right**", len(right), complaints))
    return "\n".join(lines) + "\n"


def _row(words: str, total: int, counts: Any) -> str:
    return f"| {words} | {total} | {' | '.join(map(str, counts))} |"


def _naive_table(shown: Sequence[Twin], naive: Findings) -> str:
    lines = [
        "## The naive, one by one\n",
        "| twin | what is claimed of it | squawk | zdm | ledger |",
        "| --- | --- | --- | --- | --- |",
    ]
    for twin in shown:
        rules = (", ".join(naive[str(twin)][judge]) for judge in JUDGES)
        claims = "; ".join(claim.words.partition(":")[0] for claim in twin.claims)
        lines.append(f"| [{twin}](../naive/{twin.path.name}) | {claims} | {' | '.join(rules)} |")
    return "\n".join(lines) + "\n"


def _right_table(right: Findings) -> str:
    lines = [
        "## Complaints about the right\n",
        "[tests/judges.toml](../../tests/judges.toml) and the revision's `Allow:` say why it is right.\n",
        "| revision | squawk | zdm | ledger |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in right.items():
        if any(found.values()):
            rules = (", ".join(found[judge]) for judge in JUDGES)
            lines.append(f"| {name} | {' | '.join(rules)} |")
    return "\n".join(lines) + "\n"


def in_readme(text: str, written: str) -> str:
    """Return the README with the sums of the first table of lab/results/judges.md in it."""
    [table] = re.findall(r"^\| what .*?\n(?=\n)", written, re.M | re.S)
    head, rule, *rows = table.splitlines(keepends=True)
    return filled(text, "judges", "".join([head, rule, *rows[-3:]]))


def main() -> int:
    """Write the score."""
    parser = argparse.ArgumentParser(prog="lab.judges", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("backend", type=Path, help="a generated backend with the chain")
    parser.add_argument("trials", type=Path, help="what lab.trials has printed there")
    arguments = parser.parse_args()
    try:
        trials = json.loads(arguments.trials.read_text(encoding="utf-8"))
        written = scored(arguments.backend, trials)
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        print(f"error: {error!r}: make judges runs all that this needs", file=sys.stderr)
        return 2
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(written, encoding="utf-8")
    README.write_text(in_readme(README.read_text(encoding="utf-8"), written), encoding="utf-8")
    print(f"{RESULTS.relative_to(TEMPLATE)} and README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
