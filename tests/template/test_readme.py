"""The template's README."""

import re

from tests.conftest import BACKEND, CHOICES, TEMPLATE

README = (TEMPLATE / "README.md").read_text(encoding="utf-8")


def test_set_up_is_two_commands() -> None:
    [block] = re.findall(r"## Set-up\n.*?```sh\n(.*?)```", README, re.S)
    assert block.split("\n") == ["make demo", "make test", ""]
    makefile = (TEMPLATE / "Makefile").read_text()
    assert re.search(r"^demo:", makefile, re.M)
    assert re.search(r"^test:", makefile, re.M)


def test_the_index_lists_what_the_backends_index_lists() -> None:
    backend = (BACKEND / "alembic/versions/README.md").read_text(encoding="utf-8")
    prefix = "%7B%7Bcookiecutter.project_slug%7D%7D/alembic/versions/"
    index = re.compile(r"<!-- index.*?<!-- /index -->", re.S)
    [ours], [theirs] = index.findall(README), index.findall(backend)
    assert ours.replace(prefix, "") == theirs, "make index"


def test_the_table_of_choices_is_complete() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.M))
    listed = {name: re.findall(r"`([\w.-]+)`", text) for name, text in table.items() if name in CHOICES}
    assert listed == CHOICES
