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


def test_it_is_read_in_some_minutes() -> None:
    assert len(README.splitlines()) <= 120


def test_what_it_shows_of_a_scenario_is_what_its_files_have() -> None:
    shown = README.split("## One scenario\n")[1].split("\n## ")[0]
    [slug] = re.findall(r"\[(\w+)\]\(", shown)
    [revision] = (BACKEND / "alembic/versions").glob(f"*_{slug}.py")
    [right], [naive] = (
        re.findall(r"```python\n(.*?)```", shown, re.S),
        re.findall(r"```sql\n(.*?)```", shown, re.S),
    )
    assert right in revision.read_text(encoding="utf-8")
    assert naive in (TEMPLATE / "lab/naive" / f"{slug}.sql").read_text(encoding="utf-8")


def test_the_table_of_choices_is_complete() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.M))
    listed = {name: re.findall(r"`([\w.-]+)`", text) for name, text in table.items() if name in CHOICES}
    assert listed == CHOICES
