"""What was not chosen leaves no trace, in whatever combination."""

import itertools
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hooks.answers import manifest
from tests.conftest import (
    BACKEND,
    CHOICES,
    assert_links,
    copy_template,
    files,
    files_of,
    generate_here,
    tracked_files,
)

Choices = dict[str, str]


def in_pairs(combinations: list[Choices]) -> list[Choices]:
    """Return few of the combinations, in which each two answers to two questions meet."""
    pairs = [set(itertools.combinations(choices.items(), 2)) for choices in combinations]
    missing, few = set.union(*pairs), []
    while missing:
        best = max(range(len(pairs)), key=lambda number: len(pairs[number] & missing))
        missing -= pairs[best]
        few.append(combinations[best])
    return few


# Each of all combinations comes with one kind of sessions, in turn: both would take twice as long, and what
# they bring depends on no other answer.
OTHERS = {name: choices for name, choices in CHOICES.items() if name != "sessions"}
COMBINATIONS = [
    {name: choices[place] for (name, choices), place in zip(OTHERS.items(), places, strict=True)}
    | {"sessions": CHOICES["sessions"][sum(places) % 2]}
    for places in itertools.product(*(range(len(choices)) for choices in OTHERS.values()))
]
FEW = in_pairs(COMBINATIONS)
CHAIN = sorted((BACKEND / "alembic/versions").glob("*.py"))
FUNCTIONS = {"touch_updated_at", "make_webhook_deliveries_partitions"}  # what these make stays
SLUGS = {path.stem.split("_", 2)[2] for path in CHAIN} - FUNCTIONS
IDS = {path.read_text(encoding="utf-8").split('\nrevision = "')[1][:12] for path in CHAIN}
# What the chain makes and takes away again.
GONE = {
    "doc_pages", "full_name", "legacy_exports", "legacy_status", "new_category_id", "new_email", "page_notes",
}  # fmt: skip
MODELS = "".join(path.read_text(encoding="utf-8") for path in sorted((BACKEND / "models").glob("*.py")))
TABLES = {*re.findall(r'__tablename__ = "(\w+)"', MODELS)} - {"roles"}  # the database's, too

# It names revisions of the chain, for backends that do not have them too.
SCENARIOS = "migrate/review.toml"

# What only a backend has that was asked for it, by the choices that bring it.
TRACES = {
    ("history", "worked"): rf"test_worked|parts\.toml$|\b({'|'.join(SLUGS | IDS | GONE)})\b",
    ("history", "baseline"): r"20250113_0915_baseline",
    ("history", "worked baseline"): rf"test_orm|\b({'|'.join(TABLES)})\b|(?i:webhook)",
    ("sessions", "async"): r"async_session|AsyncSession|test_async|\ngreenlet==",
    ("ci", "github"): r"\.github/|GitHub Actions|dependabot",
    ("ci", "gitlab"): r"(?i)gitlab",
    ("containers", "yes"): r"(?i)\bdocker|\bcompose\b|kubernetes|test_containers",
    ("license", "MIT"): r"MIT License|\bMIT\b(?!')",
    ("license", "Apache-2.0"): r"Apache",
    ("license", "BSD-3-Clause"): r"\bBSD\b",
    ("license", "proprietary"): r"(?i)proprietary|all rights reserved",
}


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the template, with a file wherever the manifest names one that is not there yet."""
    template = copy_template(tmp_path_factory.mktemp("complete") / "template")
    for name in manifest_paths():
        path = template / BACKEND.name / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("A file that says 3.11.\n")
    return template


def manifest_paths() -> set[str]:
    table = manifest()
    python = table.pop("oldest_python")
    del table["words"]
    return {*python} | {
        path for choices in table.values() for each in choices.values() for path in each["paths"]
    }


@pytest.mark.parametrize(
    "choices",
    [pytest.param(each, marks=() if each in FEW else pytest.mark.slow) for each in COMBINATIONS],
    ids=lambda choices: "-".join(choices.values()),
)
def test_what_was_not_chosen_leaves_no_trace(choices: Choices, complete: Path, tmp_path: Path) -> None:
    project = generate_here(tmp_path, complete, author_name="Ada 3.11", description="3.11", **choices)
    names = project.files()
    assert names == files_of(choices, files(complete / BACKEND.name)).keys()
    assert [path for path in project.folder.rglob("*") if path.is_dir() and not any(path.iterdir())] == []

    texts = {name: project.read(name) for name in names}
    for (question, asked), trace in TRACES.items():
        if choices[question] not in asked.split():
            found = [
                f"{name}: {words[0]}"
                for name, text in texts.items()
                if name != SCENARIOS and (words := re.search(trace, name) or re.search(trace, text))
            ]
            assert found == [], f"{asked} was not chosen"
    for name, text in texts.items():
        assert not re.search(r"cookiecutter[.|}]", name + text), name
        if not name.endswith(".py") and not name.startswith(".github"):
            assert not re.search(r"\{\{|\{%|\{#", text), name
        if name.endswith(".md"):
            assert_links(project / name)
        if choices["history"] != "worked" and not name.endswith(".py"):
            assert not re.search(r"\bchain\b", text), name

    assert_python(texts, choices["python_version"])
    assert_targets(texts["Makefile"], texts["README.md"])
    metadata = tomllib.loads(texts["pyproject.toml"])["project"]
    spdx = {"proprietary": "LicenseRef-Proprietary"}
    assert metadata["license"] == spdx.get(choices["license"], choices["license"])
    assert metadata["description"] == "3.11"
    assert re.search(rf"^ *Copyright (\(c\) )?{datetime.now(UTC).year} Ada 3\.11", texts["LICENSE"], re.M)


def assert_python(texts: dict[str, str], version: str) -> None:
    settings = tomllib.loads(texts["pyproject.toml"])
    assert settings["project"]["requires-python"] == f">={version}"
    assert settings["tool"]["mypy"]["python_version"] == version
    assert settings["tool"]["ruff"]["target-version"] == "py" + min(version, "3.13").replace(".", "")
    for name in {"Makefile", "README.md", ".gitlab-ci.yml", ".github/workflows/ci.yml"} & texts.keys():
        text = texts[name].replace("Ada 3.11", "").replace("\n3.11\n", "\n")
        assert set(re.findall(r"\b3\.1\d\b", text)) == {version}, name


def assert_targets(makefile: str, readme: str) -> None:
    [declared] = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    described = re.findall(r"^([a-z-]+):.*## ", makefile, re.M)
    assert sorted(declared.split()) == sorted(described)
    code = re.findall(r"`[^`\n]+`", readme) + re.findall(r"^ *```sh\n(.*?)^ *```$", readme, re.M | re.S)
    assert set(re.findall(r"\bmake ([a-z-]+)", "\n".join(code))) <= {*described}


def test_a_mention_of_the_chain_or_of_a_table_would_be_found() -> None:
    readme = (BACKEND / "alembic/versions/README.md").read_text(encoding="utf-8")
    assert len(set(re.findall(TRACES["history", "worked"], readme))) > 100
    assert {*re.findall(TRACES["history", "worked baseline"], MODELS)} > TABLES


def test_there_are_files_only_for_choices_that_there_are() -> None:
    table = manifest()
    del table["oldest_python"], table["words"]
    named = {(question, choice) for question, choices in table.items() for choice in choices}
    folders = {tuple(Path(name).parts[1:3]) for name in tracked_files() if name.startswith("choices/")}
    known = {(question, choice) for question, choices in CHOICES.items() for choice in choices}
    assert named | folders <= known
    assert {("license", choice) for choice in CHOICES["license"]} <= folders


def test_the_manifest_names_only_files_that_there_are() -> None:
    assert [name for name in sorted(manifest_paths()) if not (BACKEND / name).exists()] == []


def test_the_words_that_the_manifest_looks_for_are_there() -> None:
    table = manifest()
    looked_for = [*table["oldest_python"].items()]
    looked_for += [
        item for choices in table["words"].values() for files in choices.values() for item in files.items()
    ]
    for name, words in looked_for:
        text = (BACKEND / name).read_text(encoding="utf-8")
        assert [word for word in words if word not in text] == [], name
