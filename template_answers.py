"""The Jinja extension that cookiecutter.json names: that of hooks/answers.py.

Cookiecutter looks for an extension on sys.path, where the template comes last. A package
`hooks` of the working directory would be taken for ours, so `hooks.answers` cannot be named.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# By the name of this module, which Answers takes out of sys.modules.
spec = spec_from_file_location(__name__, Path(__file__).with_name("hooks") / "answers.py")
assert spec
assert spec.loader
answers = module_from_spec(spec)
spec.loader.exec_module(answers)
Answers = answers.Answers
