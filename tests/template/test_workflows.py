"""What runs elsewhere: the workflows, GitLab's pipeline, Dependabot, pre-commit."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import BACKEND, TEMPLATE, Project

LAYERS = [TEMPLATE, BACKEND]
WORKFLOWS = [path for layer in LAYERS for path in sorted((layer / ".github/workflows").glob("*.yml"))]
# The one job that writes: it publishes what another one has made, and runs no code.
PUBLISHES = {("atlas.yml", "publish"): {"pages": "write", "id-token": "write"}}
WORKFLOW = ["--builtin-schema=vendor.github-workflows"]
SCHEMAS = {
    ".github/workflows/atlas.yml": WORKFLOW,
    ".github/workflows/ci.yml": WORKFLOW,
    ".github/dependabot.yml": ["--builtin-schema=vendor.dependabot"],
    ".gitlab-ci.yml": ["--builtin-schema=vendor.gitlab-ci", "--data-transform=gitlab-ci"],
}
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=["atlas", "template", "backend"])
LOCAL = ("make lint", "make test")  # test_backend.py runs them


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def check(*command: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("layer", LAYERS, ids=["template", "backend"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_says_what_its_reader_understands(layer: Path, name: str) -> None:
    if (layer, name) not in ((TEMPLATE, ".gitlab-ci.yml"), (BACKEND, ".github/workflows/atlas.yml")):
        check("check_jsonschema", *SCHEMAS[name], layer / name)


@each_workflow
def test_zizmor_finds_nothing_unsafe(path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), "--offline", "--quiet", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@each_workflow
def test_a_workflow_may_only_read_and_ends(path: Path) -> None:
    content = read(path)
    assert content["permissions"] == {"contents": "read"}
    assert "secrets." not in path.read_text()
    for name, job in content["jobs"].items():
        assert job.get("permissions") == PUBLISHES.get((path.name, name)), name
        assert "permissions" not in job or all("run" not in step for step in job["steps"]), name
        assert job["timeout-minutes"] <= 60, name


@each_workflow
def test_every_action_is_pinned_by_its_commit_and_names_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_both_layers_use_the_same_commit_of_an_action() -> None:
    used = {line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())}
    assert len(used) == len({line.split("@")[0] for line in used})


def test_both_services_test_the_same_servers() -> None:
    [gitlab] = read(BACKEND / ".gitlab-ci.yml")["test"]["parallel"]["matrix"]
    github = read(BACKEND / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert [int(version) for version in gitlab["POSTGRESQL"]] == github["postgresql"] == [15, 16, 17, 18, 19]


def test_the_template_tests_its_chain_on_each_version_that_the_script_can_get() -> None:
    script = TEMPLATE / ".ci/on-postgresql"
    known = re.findall(r"^    (\d+)\) release=\1\.", script.read_text(), re.MULTILINE)
    jobs = read(TEMPLATE / ".github/workflows/ci.yml")["jobs"]
    assert (
        [int(version) for version in known]
        == jobs["chain"]["strategy"]["matrix"]["postgresql"]
        == [15, 16, 17]
    )
    refused = subprocess.run([script, "14"], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "error: which PostgreSQL? .ci/on-postgresql 15, 16 or 17\n"


def test_both_services_have_the_oldest_python_that_the_backend_takes() -> None:
    settings = tomllib.loads((BACKEND / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = settings["project"]["requires-python"].removeprefix(">=")
    assert read(BACKEND / ".gitlab-ci.yml")["default"]["image"] == f"python:{oldest}"
    github = (BACKEND / ".github/workflows/ci.yml").read_text()
    assert set(re.findall(r"python-version: (\S+)", github)) == {f'"{oldest}"'}


def steps() -> list[str]:
    """Return the commands of the backend's workflow and of its pipeline, in their order."""
    workflow = read(BACKEND / ".github/workflows/ci.yml")
    pipeline = read(BACKEND / ".gitlab-ci.yml")
    return [
        step["run"]
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if "run" in step and "if" not in step
    ] + [command for job in pipeline.values() if "script" in job for command in job["script"]]


def hooks(project: Path | Project) -> dict[str, str]:
    """Return the commands of the pre-commit hooks, by their ids."""
    [repository] = read(project / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    return {hook["id"]: hook["entry"] for hook in repository["hooks"]}


@pytest.mark.slow
def test_the_steps_work_and_notice_what_they_are_there_for(installed: Project) -> None:
    installed.run("git init -q && git add . && git -c user.name=T -c user.email=t@example.com commit -qm T")
    assert set(LOCAL) < set(steps())
    for step in dict.fromkeys(steps()):
        if step not in LOCAL:
            installed.run(step)

    def fails(name: str, *inside: str) -> str:
        """Run the step that has these words in it, and return what it says when it fails."""
        [step] = {step for step in steps() if name in step}
        said = installed.run(f"({step}) && exit 1 || true")
        assert all(words in said for words in inside), said
        return said

    versions = installed / "alembic/versions"
    heads = installed.run("alembic heads").split()[0]
    first = installed.run("alembic history -r base:base+1 | tail -1")
    below = re.findall(r"[0-9a-f]{12}", first)[0]
    installed.run(f"alembic revision -m another --head {below} --splice")
    [another] = versions.glob("*_another.py")
    fails("alembic heads", heads)
    fails("alembic upgrade", "Multiple head revisions")
    assert "(head)" in installed.run(f"({hooks(installed)['one-head']}) && exit 1 || true")
    another.unlink()

    model = installed / "models/auth.py"
    text = model.read_text()
    model.write_text(text.replace("    phone:", "    nickname: Mapped[str | None]\n    phone:"))
    fails("alembic upgrade", "New upgrade operations detected", "nickname")
    model.write_text(text)


@pytest.mark.slow
def test_the_hooks_pass(installed: Project) -> None:
    sources = " ".join(path.name for path in installed.folder.glob("*.py"))
    for name, entry in hooks(installed).items():
        installed.run(entry if name in ("mypy", "one-head") else f"{entry} {sources}")


def test_the_hooks_of_both_layers_run_what_make_lint_runs() -> None:
    for layer in LAYERS:
        makefile = (layer / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
        for name, entry in hooks(layer).items():
            if name.startswith(("ruff", "mypy")) and "bash" not in entry:
                assert f"\t{entry.removesuffix(' --force-exclude')}\n" in makefile, entry
