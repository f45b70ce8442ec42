"""The container files, as far as they can be tried without a container engine."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config

from database import ROOT
from migrate.run.settings import Settings
from migrate.target import is_private
from postgres.url import parse_url
from tests.machinery.support import REVISIONS, Database

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()
MANIFESTS = {path.name: path.read_text() for path in sorted((ROOT / "docs/kubernetes").glob("*.yaml"))}
GIVEN = {"compose.yaml": COMPOSE, **MANIFESTS}


def copied() -> list[Path]:
    """Return what the Dockerfile copies into the image."""
    sources = [name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M) for name in line.split()]
    found = {name: sorted(ROOT.glob(name)) for name in sources}
    assert all(found.values()), found
    return [path for paths in found.values() for path in paths]


def test_what_is_copied_into_the_image_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    wanted = {line[1:] for line in lines if line.startswith("!")}
    sources = {name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.M) for name in line.split()}
    assert "*" in lines
    assert wanted == sources


def test_the_image_holds_what_a_migration_needs_and_needs_no_place_to_write(
    tmp_path: Path, empty: Database
) -> None:
    for path in copied():
        if path.is_dir():
            shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    environment = dict(pair.split("=") for pair in re.findall(r"^ENV (.*)$", DOCKERFILE, re.M)[0].split())
    url = empty.url.render_as_string(hide_password=False)
    command = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.M)[0])
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**environment, "MIGRATION_DATABASE_URL": url},
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert empty.column("SELECT version_num FROM alembic_version") == [REVISIONS[-1].id]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["Dockerfile", *GIVEN])
def test_every_migration_is_one_of_production(name: str) -> None:
    text = {"Dockerfile": DOCKERFILE, **GIVEN}[name]
    commands = [json.loads(found) for found in re.findall(r'\["alembic".*\]', text)]
    assert commands
    assert all(command[1:3] == ["-c", "production.ini"] for command in commands)


def test_the_services_of_compose_come_a_way_that_production_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSERVICE", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    urls = re.findall(r"DATABASE_URL: (\S+)", COMPOSE)
    assert urls
    for url in urls:
        assert is_private(parse_url(url))
        folder = parse_url(url).query["host"]
        assert COMPOSE.count(f"- socket:{folder}\n") == 1 + len(urls)


def test_the_image_has_the_clients_of_the_servers_version() -> None:
    [server] = set(re.findall(r"image: postgres:(\d+)", COMPOSE))
    assert re.findall(r"postgresql-client-(\d+)", DOCKERFILE) == [server]


def test_the_image_holds_production_requirements_by_their_hashes() -> None:
    [install] = re.findall(r"^RUN (pip install.*)$", DOCKERFILE, re.M)
    assert "--require-hashes --requirement requirements.txt" in install
    assert "embedded" not in (ROOT / "requirements.txt").read_text()


def test_nothing_runs_as_root() -> None:
    users = re.findall(r"^USER (.*)$", DOCKERFILE, re.M)
    assert users
    assert int(users[-1]) > 0
    for text in MANIFESTS.values():
        assert re.findall(r"runAsUser: (.*)", text) == users
        assert "runAsNonRoot: true" in text


@pytest.mark.parametrize("name", GIVEN)
def test_every_setting_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = re.findall(r'MIGRATE_(\w+)(?:: *|\s+value: *)"?([^"\n]*)"?', GIVEN[name])
    assert settings
    assert len(settings) == GIVEN[name].count("MIGRATE_")
    for setting, value in settings:
        assert setting.lower() in Settings.__dataclass_fields__
        monkeypatch.setenv(f"MIGRATE_{setting}", value)
    Settings.load(Config(), {})  # raises where a value does not fit


def test_the_roles_are_those_that_are_made() -> None:
    made = dict(re.findall(r"\\set (owner|app) (\w+)", (ROOT / "docs/roles.sql").read_text()))
    [as_app] = [parse_url(url) for name, url in re.findall(r"^ +(DATABASE_URL): (\S+)", COMPOSE, re.M)]
    [as_owner] = [
        parse_url(url) for name, url in re.findall(r"^ +(MIGRATION_DATABASE_URL): (\S+)", COMPOSE, re.M)
    ]
    assert (as_app.username, as_owner.username) == (made["app"], made["owner"])
    assert as_app.database == as_owner.database
    assert re.findall(r"POSTGRES_DB: (.*)", COMPOSE) == [as_app.database]


@pytest.mark.parametrize("name", GIVEN)
def test_no_password_stands_in_them(name: str) -> None:
    without = re.sub(r"\$\{\w+(:\?[\w. ]+)?\}", "", GIVEN[name])
    assert not re.findall(r"^[^#\n]*PASSWORD: *\S", without, re.M)
    assert not re.findall(r"://\w+:[^@\s]+@", without)
    assert "PASSWORD" not in DOCKERFILE
