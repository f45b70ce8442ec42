"""Any text as an answer gives a sound project, or one line that refuses it."""

import configparser
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import BACKEND, CHOICES, QUESTIONS, Project, copy_template, generate, generate_here

ASKED = [name for name in QUESTIONS["__prompts__"] if name not in CHOICES]

NASTY = [
    "", " ", "\n", "\0", "\x1b[31m", "\x07", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\ud800", "🗂",
    "\N{WOMAN}\u200d\N{GIRL}", "'", '"', "'''", '"""', "\\", "\\N{DASH}", "\\u0041", "`", "$(id)", "${HOME}",
    "$$", "%(here)s", "%s", "%", "{{ x }}", "{{ 1 / 0 }}", "{% x %}", "{% raw %}", "{#", "{", "{{", "}}",
    "/", "//", "..", "../..", "./a", "~", "a/b", "a\\b", "C:", "|", ";", "&", ">", "*", "?", "!", "#", "<!--",
    "models", "alembic", "migrate", "tests", "database", "hooks", "docs", "json", "class", "match", "_",
    "con", "CON", "nul", "aux", "com1", "lpt9", "con.txt", "a.", "a_", "_a", "1", "a-b", "postgres",
    "template1", "x" * 50, "x" * 51, "x" * 63, "x" * 64, "x" * 200, "x" * 201, "x" * 5000, "pg_x", "3.11",
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.sampled_from(NASTY), min_size=2, max_size=4).map("".join),
    st.text(st.characters(exclude_categories=())),
    st.from_regex(r"[a-z_][a-z0-9_]{0,70}", fullmatch=True),
)
answers = st.dictionaries(st.sampled_from(ASKED), texts, min_size=1) | st.fixed_dictionaries(
    {"project_slug": st.just("sound")}, optional=dict.fromkeys(set(ASKED) - {"project_slug"}, texts)
)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template less what is copied as it stands, which no answer can touch."""
    template = copy_template(tmp_path_factory.mktemp("rendered") / "template")
    for name in QUESTIONS["_copy_without_render"]:
        path = template / BACKEND.name / name.removesuffix("/*.*")
        if path.is_dir():
            shutil.rmtree(path)
    return template


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What the hook prints, Hypothesis need not show."""
    yield
    capfd.readouterr()


@settings(
    max_examples=int(os.environ.get("ANSWERS", "150")), deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(answers=answers)
@example(answers={"project_name": "{{ x }}"})
@example(answers={"project_slug": "a_"})
@example(answers={"project_slug": "x" * 50})
@example(answers={"project_slug": "sound", "description": ""})
@example(answers={"project_slug": "sound", "author_name": "{% raw %}'''\"\"\"\\"})
def test_any_answer_gives_a_sound_project_or_one_line(answers: dict[str, str], rendered: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        out.mkdir()
        try:
            project = generate_here(out, rendered, **answers)
        except FailedHookException as refusal:
            [line] = str(refusal).splitlines()
            line.encode()
            assert line.split()[0] in answers.keys() | {"project_slug"}  # which follows from the name
            assert line.isprintable()
            assert len(line) < 250
            assert list(out.iterdir()) == []
        else:
            assert list(out.iterdir()) == [project.folder]
            assert_sound(project, answers)
        assert {path.name for path in Path(folder).iterdir()} == {"out", "out_cookiecutter"}


def assert_sound(project: Project, answers: dict[str, str]) -> None:
    """Check that each answer stands where it belongs, and nowhere as anything but text."""
    given = {name: " ".join(text.split()) for name, text in (QUESTIONS | answers).items() if name in ASKED}
    readme = project.read("README.md")
    settings = tomllib.loads(project.read("pyproject.toml"))
    ini = configparser.ConfigParser({"here": str(project.folder)})
    ini.read(project / "alembic.ini", encoding="utf-8")
    assert readme.startswith(f"# {given['project_name']}\n\n{given['description']}\n")
    assert settings["project"]["name"] == project.name
    assert settings["project"]["description"] == given["description"]
    assert settings["project"]["authors"] == [{"name": given["author_name"]}]
    assert settings["project"]["requires-python"] == ">=3.11"
    assert ini["alembic"]["script_location"] == f"{project.folder}/alembic"
    assert given["author_name"] in project.read("LICENSE")
    if "database_name" in answers:
        assert settings["tool"]["migrate"]["database_name"] == answers["database_name"]
    if "project_slug" in answers:
        assert project.name == answers["project_slug"]


@pytest.mark.parametrize("question", CHOICES)
@pytest.mark.parametrize("answer", ["", "other", "{{ x }}", "../x"])
def test_an_unknown_choice_is_refused_and_leaves_nothing(question: str, answer: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    generation = generate(folder, **{question: answer})
    assert generation.code == 1
    # Cookiecutter's own: it looks at a choice before it loads anything of a template.
    last = generation.errors.splitlines()[-1]
    assert last.startswith(f"ValueError: {answer} provided for choice variable {question}, but the choices")
    assert str(CHOICES[question]) in last
    assert list(folder.iterdir()) == []
