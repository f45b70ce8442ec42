"""Find scenarios of the chain by words: `python -m migrate find`."""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alembic.util import CommandError

from migrate.chain import Revision

# Files beside the chain: which revisions are steps of one scenario, and which words mean the same.
SCENARIOS, SYNONYMS = "scenarios.toml", "synonyms.toml"

# Words that do not help the search.
_FILLERS = """
a an the of to in on by for with without and or that which is are be it its i want how do can my from
into as at so not when where this there what one all other some make use
"""
FILLERS = frozenset(_FILLERS.split())
# How much a word counts, by the text that it stands in.
WEIGHTS = {"title": 5, "also": 4, "wish": 3, "steps": 1}
# The end of a `Scenario:` that only names the step.
STEP = re.compile(r"(?:, \w+ step)?: (?P<step>.+)$")


@dataclass(frozen=True)
class Scenario:
    """A scenario, and the revisions that show it.

    Attributes:
        slug: the revision that names it.
        steps: all its revisions.
        also: other names for it, for the search.
    """

    slug: str
    steps: Sequence[Revision]
    also: str

    @property
    def title(self) -> str:
        """What the user wants to do, with all the steps together."""
        [wish] = [wish_of(step) for step in self.steps if step.slug == self.slug]
        return STEP.sub("", wish) if len(self.steps) > 1 else wish

    @property
    def text(self) -> dict[str, str]:
        """The texts that are searched, by the keys of `WEIGHTS`."""
        return {
            "title": self.title,
            "also": self.also,
            "wish": "; ".join(wish for wish in map(wish_of, self.steps) if wish != self.title),
            "steps": " ".join(step.slug.replace("_", " ") for step in self.steps),
        }


class Index:
    """The words of the scenarios, and how many scenarios have each word."""

    def __init__(self, scenarios: Iterable[Scenario], synonyms: Iterable[Sequence[str]]) -> None:
        self._scenarios = list(scenarios)
        meant = {plain(each): group[0].replace(" ", "") for group in synonyms for each in group}
        self._phrases = sorted(meant.items(), key=lambda phrase: -len(phrase[0]))

    @cached_property
    def _weights(self) -> list[dict[str, float]]:
        found = []
        for scenario in self._scenarios:
            weights: dict[str, float] = {}
            for field, weight in WEIGHTS.items():
                for word in set(self.words(scenario.text[field])):
                    weights[word] = max(weights.get(word, 0), weight) + 0.25
            found.append(weights)
        return found

    def words(self, text: str) -> list[str]:
        """Return the words of a text, each in one form, so that synonyms are equal."""
        line = plain(text)
        for phrase, first in self._phrases:
            line = line.replace(phrase, f" {first} ")
        return [stem(word) for word in line.split() if word not in FILLERS]

    def search(self, text: str) -> list[Scenario]:
        """Return the scenarios that fit a text, the best first."""
        asked = self.words(text)
        often = Counter(word for weights in self._weights for word in weights)
        scored = []
        for scenario, weights in zip(self._scenarios, self._weights, strict=True):
            score = sum(
                weights[word] * math.log(1 + len(self._scenarios) / often[word])
                for word in asked
                if word in weights
            )
            scored.append((score / math.sqrt(6 + len(weights)), scenario))
        scored.sort(key=lambda pair: -pair[0])
        return [scenario for score, scenario in scored if score > 0]


def find(chain: Sequence[Revision], folder: Path, words: str) -> list[Scenario]:
    """Return the scenarios that fit some words, the best first.

    Args:
        chain: the revisions.
        folder: where they are, with the two files beside them.
        words: what the user wants to do.

    Raises:
        CommandError: the chain has no scenarios.
    """
    if not (folder / SCENARIOS).exists():
        raise CommandError(f"there is no {folder / SCENARIOS}: this chain has no scenarios to find")
    groups = tomllib.loads((folder / SCENARIOS).read_text(encoding="utf-8"))
    synonyms = tomllib.loads((folder / SYNONYMS).read_text(encoding="utf-8"))["groups"]
    return Index(grouped(chain, groups), synonyms).search(words)


def grouped(chain: Sequence[Revision], groups: Mapping[str, Mapping[str, object]]) -> list[Scenario]:
    """Return the scenarios of a chain: the groups, and each revision that is in none."""
    known = {revision.slug: revision for revision in chain}
    found, used = [], set()
    for slug, group in groups.items():
        named = group.get("steps", [slug])
        assert isinstance(named, list)
        steps = [known[step] for step in named if step in known]
        if slug in known:
            found.append(Scenario(slug, steps, str(group.get("also", ""))))
            used |= {step.slug for step in steps}
    return found + [Scenario(slug, [known[slug]], "") for slug in known if slug not in used]


def wish_of(revision: Revision) -> str:
    """Return what the user wants to do, in the words of the docstring."""
    return revision.fields.get("Scenario", revision.summary)


def plain(text: str) -> str:
    """Return a text in lower case, with one blank around each word."""
    return " " + "  ".join(re.findall(r"[^\W_]+|%", text.lower())) + " "


def stem(word: str) -> str:
    """Return a word without its ending."""
    if len(word) > 5 and word.endswith(("ing", "ied", "ies")):
        return word[:-3]
    if len(word) > 4 and word.endswith(("ed", "es")):
        return word[:-2]
    if len(word) > 3 and re.search("[^s]s$", word):
        return word[:-1]
    return word[:-1] if len(word) > 4 and word.endswith("e") else word
