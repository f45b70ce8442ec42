"""Each revision of the worked chain while an application works on its tables, for a short time."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.backend import generated, run
from tests.conftest import BACKEND

pytestmark = pytest.mark.slow

OVERWRITE = "UPDATE documents SET name = 'lost'"
RULE = (
    "ALTER TABLE documents DROP CONSTRAINT IF EXISTS spoiled, "
    "ADD CONSTRAINT spoiled CHECK (file_size < 0) NOT VALID"
)
SHORT = ["--rows=500", "--rate=200", "--seconds=0.3"]


def slugs() -> list[str]:
    """Return the names of the revisions in the order of their files."""
    return [path.stem.split("_", 2)[2] for path in sorted(BACKEND.glob("alembic/versions/*.py"))]


def traffic(backend: Path, tmp_path: Path, *chosen: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the command, and return its exit code and its steps."""
    figures = tmp_path / "steps.json"
    code = run(backend, "lab.traffic.chain", [*SHORT, f"--json={figures}", *chosen])
    return code, json.loads(figures.read_text(encoding="utf-8"))


def test_no_revision_disturbs_the_application_or_loses_what_it_writes(tmp_path: Path) -> None:
    with generated() as backend:
        code, steps = traffic(backend, tmp_path)
    assert [(step["slug"], step["wrong"]) for step in steps if step["wrong"]] == []
    assert code == 0
    assert {step["slug"] for step in steps} == set(slugs()[1:])  # the first has no tables before it
    assert min(step["asked"] for step in steps) > 0
    # The statements are those of the revision: where a name goes, they fail as it says.
    failed = {(step["slug"], state) for step in steps for state in step["failed"]}
    assert failed == {("rename_document_name_to_title", "42703")}


def test_a_revision_that_does_is_found(tmp_path: Path) -> None:
    with generated() as backend:
        spoil(backend, "add_user_name_parts", "NEW.first_name := words[1]", "NEW.first_name := 'nobody'")
        spoil(
            backend,
            "drop_legacy_exports",
            '("legacy_exports")',
            f'("legacy_exports")\n    op.execute("{RULE}")',
        )
        spoil(
            backend,
            "change_document_priority_default",
            'server_default="5")',
            f'server_default="5")\n    op.execute("{OVERWRITE}")',
        )
        found = ["change_document_priority_default", "backfill_user_name_parts", "drop_legacy_exports"]
        code, steps = traffic(backend, tmp_path, *found, "--autovacuum")
    assert code == 1
    wrong = {(step["slug"], step["direction"]): "\n".join(step["wrong"]) for step in steps}
    assert "concat_ws(' ', first_name, last_name) is 'nobody" in wrong["backfill_user_name_parts", "upgrade"]
    assert "23514" in wrong["drop_legacy_exports", "upgrade"]
    assert "\"name\" is 'lost'" in wrong["change_document_priority_default", "upgrade"]
    assert wrong["change_document_priority_default", "downgrade"] == ""


def spoil(backend: Path, slug: str, right: str, wrong: str) -> None:
    """Put a fault into a revision."""
    [path] = backend.glob(f"alembic/versions/*_{slug}.py")
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
