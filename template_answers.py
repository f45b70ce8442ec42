"""The Jinja extension that cookiecutter.json names: the one in hooks/answers.py.

Cookiecutter looks for an extension on sys.path, where the template comes last. A package
`hooks` in the working directory would be imported instead of ours, so it cannot name `hooks.answers`.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# Under the name of this module, which Answers removes from sys.modules.
spec = spec_from_file_location(__name__, Path(__file__).with_name("hooks") / "answers.py")
assert spec
assert spec.loader
answers = module_from_spec(spec)
spec.loader.exec_module(answers)
Answers = answers.Answers
