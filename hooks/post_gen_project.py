"""Remove the files that were not chosen, and print what to do next."""

import json
import shlex
import shutil
import sys
from io import TextIOWrapper
from pathlib import Path
from tempfile import gettempdir

# Data, never code: tojson writes ' and < as escapes, so no answer ends the string.
answers = json.loads(r"""{{ cookiecutter | tojson }}""")
consequences = json.loads(r"""{{ cookiecutter | consequences | tojson }}""")


def remove(path: Path) -> None:
    """Remove a file or a folder, and the folders that this leaves empty."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    for parent in path.parents:
        if not parent.is_dir() or any(parent.iterdir()):
            break
        parent.rmdir()


for name in consequences["remove"]:
    remove(Path(name))
for question in Path("choices").iterdir():
    folder = question / answers[question.name]
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        target = path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
shutil.rmtree("choices")
for name, words in consequences["replace"].items():
    if (path := Path(name)).exists():
        content = path.read_bytes()
        for word, chosen in words.items():
            content = content.replace(word.encode(), chosen.encode())
        path.write_bytes(content)

# cruft renders in a temporary folder, only to compare: then print nothing.
to_compare = "_output_dir" not in answers and Path.cwd().is_relative_to(Path(gettempdir()).resolve())

if not to_compare:
    # After a wrong choice, Cookiecutter drops the rest of a configuration file, and warns only of that one.
    chosen = " ".join(f"{question}={answers[question]}" for question in consequences["choices"])
    # The project's name or folder may have characters that the output's encoding lacks.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    print(
        f"""
{" ".join(answers["project_name"].split())} is in {Path.cwd()}.
Chosen: {chosen}

Next:

    cd {shlex.quote(str(Path.cwd()))}
    make db      make .venv, start an embedded PostgreSQL, run every migration
    make test    test every migration on rows

Its README.md says what comes next.
"""
    )
    if "%" in str(Path.cwd()):
        print("Move it first: Alembic cannot read its ini file in a folder with a % in its path.")
