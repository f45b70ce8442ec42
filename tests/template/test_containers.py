"""The container files of a generated backend, by their specifications. No engine runs here."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project, generate_here

BIN = Path(sys.executable).parent

CHECKS = {
    "compose.yaml": ["check-jsonschema", "--builtin-schema=vendor.compose-spec"],
    "docs/kubernetes/job.yaml": ["kubernetes-validate", "--strict"],
    "docs/kubernetes/init-container.yaml": ["kubernetes-validate", "--strict"],
    "Dockerfile": ["hadolint", "--failure-threshold=info"],
}


def check(project: Project, name: str) -> subprocess.CompletedProcess[str]:
    program, *options = CHECKS[name]
    return subprocess.run(
        [str(BIN / program), *options, name],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module", params=["default", "long names"])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    name = "a" + "_b2" * 16
    answers = {"project_slug": name, "database_name": name} if request.param == "long names" else {}
    return generate_here(tmp_path_factory.mktemp("containers"), **answers)


@pytest.mark.parametrize("name", CHECKS)
def test_it_keeps_to_its_specification(name: str, project: Project) -> None:
    done = check(project, name)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("compose.yaml", "depends_on:", "depend_on:"),
        ("docs/kubernetes/job.yaml", "backoffLimit:", "backofLimit:"),
        ("docs/kubernetes/init-container.yaml", "replicas: 3", "replicas: three"),
        ("Dockerfile", "python:3.14-slim", "python"),
    ],
)
def test_a_slip_would_be_seen(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    project = generate_here(tmp_path)
    path = project / name
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    assert check(project, name).returncode != 0
