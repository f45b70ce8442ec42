"""What generation writes, and what it refuses."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter

from tests.conftest import (
    BACKEND,
    CHOICES,
    QUESTIONS,
    TEMPLATE,
    Generation,
    Project,
    config,
    copy_template,
    files,
    files_of,
    generate,
    tracked_files,
)

AWKWARD = {
    "quotes": """Ada's "Backend\"""",
    "newlines": "two\nlines\r\nand a\ttab",
    "backslashes": r"C:\new\table \" \\",
    "braces": "set {x} and [y] and %(here)s and ${HOME} and $(id)",
    "non-Latin": "Документы 文書 🗂 مستندات",
    "markup": "<b>&amp;</b> | # * `code`",
    "end of a string": "''' \"\"\" '); import os #",
    "long": "x" * 200,
    "template": "{{ cookiecutter }} {% if x %} {# never closed",
    "code": "{{ 1 / 0 }}",
}


def assert_sound(generation: Generation) -> None:
    assert generation.code == 0, generation.output + generation.errors
    project = generation.project
    tomllib.loads(project.read("pyproject.toml"))
    configparser.ConfigParser({"here": str(project.folder)}).read(project / "alembic.ini", encoding="utf-8")
    for path in project.folder.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))


def test_exactly_the_expected_files_are_written(default: Project) -> None:
    default_choices = {question: choices[0] for question, choices in CHOICES.items()}
    assert default.files() == files_of(default_choices, tracked_files()).keys()


def test_the_default_answers_give_the_default_names(default: Project) -> None:
    project = tomllib.loads(default.read("pyproject.toml"))
    assert default.name == "ocr_backend"
    assert project["project"]["name"] == "ocr_backend"
    assert project["tool"]["migrate"]["database_name"] == "ocr_db"


def test_nothing_is_left_unrendered(default: Project) -> None:
    for name in default.files():
        assert "cookiecutter" not in name
        text = default.read(name)
        assert "cookiecutter." not in text, name
        if not name.startswith((".github", "alembic/script.py.mako")):
            assert "{%" not in text, name


def test_python_is_copied_byte_for_byte(default: Project) -> None:
    copied = [path for path in default.folder.rglob("*") if path.suffix in (".py", ".mako")]
    assert len(copied) > 150
    for path in copied:
        assert path.read_bytes() == (BACKEND / path.relative_to(default.folder)).read_bytes()


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    generation = generate(tmp_path, project_name="Paper Mill")
    assert f"Paper Mill is in {tmp_path}/paper_mill.\n" in generation.output
    assert "make db" in generation.output
    assert generation.errors == ""


def test_it_says_where_alembic_cannot_run(tmp_path: Path) -> None:
    (folder := tmp_path / "100% paper").mkdir()
    assert generate(folder, history="empty").output.endswith(
        "\nMove it first: Alembic cannot read its ini file in a folder with a % in its path.\n"
    )


def test_it_says_what_was_chosen(tmp_path: Path) -> None:
    """In YAML, 3.12 without quotes is no text: Cookiecutter drops it, and each answer after it."""
    user = tmp_path / "user.yaml"
    user.write_text("default_context: {python_version: 3.12, history: empty}\n")
    made = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "--config-file", str(user)]
    done = subprocess.run([*made, "ci=none"], cwd=tmp_path, capture_output=True, text=True)
    assert (
        "Chosen: python_version=3.11 history=worked sessions=sync ci=none containers=yes license=MIT\n"
        in done.stdout
    )


@pytest.mark.parametrize("answer", AWKWARD.values(), ids=list(AWKWARD))
def test_awkward_answers_give_a_sound_project(answer: str, tmp_path: Path) -> None:
    questions = ["project_name", "description", "author_name"]
    generation = generate(
        tmp_path, project_slug="awkward", database_name="awkward_db", **dict.fromkeys(questions, answer)
    )
    assert_sound(generation)
    project = tomllib.loads(generation.project.read("pyproject.toml"))["project"]
    one_line = " ".join(answer.split())
    assert project["description"] == one_line
    assert project["authors"] == [{"name": one_line}]
    assert generation.project.read("README.md").startswith(f"# {one_line}\n")


def test_no_answer_runs_as_code(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w')"
    for number, answer in enumerate(
        (f"''' + str({code}) + '''", f'""" + str({code}) + """', f"$(touch {marker})")
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert_sound(generate(folder, project_slug="hostile", project_name=answer, description=answer))
    assert not marker.exists()


@pytest.mark.parametrize(
    "slug",
    [
        "", " ", "1st", "class", "match", "a-b", "a.b", "a/b", "/a", "..", "../a", ".", "a b", "Ab", "ä",
        "-x", "a_", "_a", "{{ x }}", "{% x", "${a}", "a\\b", "nul", "com1",
        "alembic", "models", "migrate", "tests", "database", "sqlalchemy", "json", "con", "x" * 51,
    ],
)  # fmt: skip
def test_a_bad_slug_is_refused_in_one_line_and_leaves_nothing(slug: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    assert_refused(generate(folder, project_slug=slug), "project_slug")
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out", "out_cookiecutter"}


@pytest.mark.parametrize(
    "name",
    ["", "1db", "a_", "a-b", "a b", "Ab", "x" * 64, "postgres", "template1", "a;b", '"', "a'b", "a/b", "ä"],
)
def test_a_bad_database_name_is_refused_in_one_line_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert_refused(generate(folder, database_name=name), "database_name")


@pytest.mark.parametrize("question", ["project_name", "description", "author_name"])
@pytest.mark.parametrize("answer", ["bell\x07", "x" * 201, "escape\x1b[31m", "\x7f"])
def test_control_characters_and_novels_are_refused(question: str, answer: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert_refused(generate(folder, **{"project_slug": "sound", question: answer}), question)


def test_a_name_that_gives_no_slug_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    assert_refused(generate(folder, project_name="🗂"), "project_slug")
    assert_refused(generate(folder, project_name=" "), "project_name")


def assert_refused(generation: Generation, question: str) -> None:
    assert generation.code == 1
    [line] = (generation.output + generation.errors).splitlines()
    assert line.startswith(f"{question} ")
    assert list(generation.folder.iterdir()) == []


def test_a_project_that_exists_is_not_touched(tmp_path: Path) -> None:
    project = generate(tmp_path).project
    (project / "README.md").write_text("mine")
    generation = generate(tmp_path)
    assert generation.code == 1
    assert "already exists" in generation.output + generation.errors
    assert project.read("README.md") == "mine"


def test_overwriting_a_project_leaves_what_its_user_has_put_into_it(tmp_path: Path) -> None:
    # cookiecutter.json names what is copied as models/*.*: a folder is replaced with all that is in it.
    project = generate(tmp_path, history="empty").project
    added = [".postgres/data", "alembic/versions/mine.py", "models/mine.py", "docs/kubernetes/mine.yaml"]
    for name in added:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("mine")
    cookiecutter(
        str(TEMPLATE), no_input=True, overwrite_if_exists=True, config_file=str(config(tmp_path)),
        output_dir=str(tmp_path), extra_context={"history": "empty", "containers": "no"},
    )  # fmt: skip
    assert project.files() >= set(added)
    assert not project.has("Dockerfile")
    assert not project.has("models/documents.py")


def test_a_name_that_the_outputs_encoding_lacks_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    generation = generate(tmp_path, project_name="Größe")
    assert_sound(generation)
    assert r"Gr\xf6\xdfe is in" in generation.output


def test_caches_of_a_working_copy_are_not_copied(tmp_path: Path, default: Project) -> None:
    copy, out = copy_template(tmp_path / "template"), tmp_path / "out"
    for folder in ("__pycache__", "migrate/__pycache__", ".mypy_cache", ".ruff_cache", ".postgres"):
        cache = copy / BACKEND.name / folder
        cache.mkdir(exist_ok=True)
        (cache / "binary").write_bytes(b"\x8b\xff{{")
    (copy / BACKEND.name / ".postgres.lock").touch()
    out.mkdir()
    generation = generate(out, copy)
    assert generation.code == 0, generation.errors
    assert generation.project.files() == default.files()


def test_every_question_has_a_prompt_and_every_choice_a_label() -> None:
    prompts = QUESTIONS["__prompts__"]
    assert prompts.keys() == {name for name in QUESTIONS if not name.startswith("_")}
    for question, choices in CHOICES.items():
        labels = prompts[question]
        assert list(labels) == ["__prompt__", *choices]
        assert all(re.match(rf"{re.escape(choice)}( or later)?:? ?", labels[choice]) for choice in choices)


def test_who_presses_enter_at_every_question_gets_the_defaults(tmp_path: Path, default: Project) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "cookiecutter", str(TEMPLATE),
            "--config-file", str(config(tmp_path)), "--output-dir", str(tmp_path),
        ],
        input="\n" * len(QUESTIONS["__prompts__"]),
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for question in QUESTIONS["__prompts__"].values():
        asked = question if isinstance(question, str) else question["__prompt__"]
        assert asked in " ".join(done.stdout.split())
    [project] = tmp_path.iterdir()
    assert files(project) == default.files()


def test_a_package_hooks_where_it_is_called_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/__init__.py").touch()
    done = subprocess.run(
        [
            sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input",
            "--config-file", str(config(tmp_path / "made")), "--output-dir", str(tmp_path / "made"),
        ],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert_sound(Generation(done.returncode, done.stdout, done.stderr, tmp_path / "made"))
