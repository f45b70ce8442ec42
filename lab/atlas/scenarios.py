"""Scenarios: what the facts say, as a page tells it. A scenario is a revision, or several in a row."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain as flat
from itertools import dropwhile
from pathlib import Path
from typing import Any

from lab.atlas.markup import Adapted, adapted
from lab.twins import Twin

HERE = Path(__file__).parent
VERSIONS = HERE.parents[1] / "{{cookiecutter.project_slug}}/alembic/versions"

WAITS = {"reads": "readers and writers", "writes": "writers", None: "only other changes of the schema"}
STRENGTH = {"reads": 3, "writes": 2, None: 1}

# The bars of a timeline; what goes beyond would be read by nobody.
MOST_BARS = 14


class AtlasError(Exception):
    """The atlas cannot be written. The message is one line and says why."""


@dataclass(frozen=True)
class Bar:
    """A line of the timeline: what there is between two moments.

    Attributes:
        label: what.
        start: the first column of the grid that it fills, from 1.
        end: the first that it does not fill.
        when: the same in words.
        kind: "code", "step", "column", …
    """

    label: str
    start: int
    end: int
    when: str
    kind: str


@dataclass(frozen=True)
class Naive:
    """The naive way: a file of lab/naive.

    Attributes:
        name: the file's.
        language: "sql" or "python".
        code: without its fields.
        claims: what comes of it, in words; the lab's tests see that it does.
    """

    name: str
    language: str
    code: str
    claims: list[str]

    @classmethod
    def of(cls, twin: Twin) -> "Naive":
        """Return what is shown of a twin."""
        comment = "#" if twin.path.suffix == ".py" else "--"
        lines = dropwhile(lambda line: line.startswith(comment), twin.text.splitlines())
        language = "python" if twin.path.suffix == ".py" else "sql"
        return cls(twin.path.name, language, "\n".join(lines).strip(), [worded(str(c)) for c in twin.claims])


@dataclass
class Step:
    """A revision within a scenario."""

    facts: Mapping[str, Any]
    number: int

    def __getattr__(self, name: str) -> Any:
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def wish(self) -> str:
        """What one wants, in the words of the docstring."""
        said: str = self.facts["fields"].get("Scenario", self.facts["summary"])
        return said

    def said(self, field: str) -> str:
        """Return what the docstring says under a name, "" if nothing."""
        said: str = self.facts["fields"].get(field, "")
        return said

    @cached_property
    def code(self) -> str:
        """The file without its docstring."""
        source: str = self.facts["source"]
        return source.split('"""', 2)[2].strip() + "\n"

    @property
    def written(self) -> str:
        """The SQL that the upgrade sends."""
        return "\n\n".join(self.facts["sql"]["upgrade"])

    @cached_property
    def locks(self) -> list[dict[str, Any]]:
        """What the statements lock: those in a row that do the same are one line."""
        lines: list[dict[str, Any]] = []
        for statement in self.facts["statements"]:
            locks = statement["locks"]
            blocks = locks[0]["blocks"] if locks else None  # the strongest stands first
            line = {
                "locks": [(lock["mode"].removesuffix("Lock"), lock["table"]) for lock in locks],
                "waits": WAITS[blocks] if locks else "nothing",
                "strength": STRENGTH[blocks] if locks else 0,
                "lasts": lasts(statement),
            }
            if lines and {**lines[-1], "statements": None} == {**line, "statements": None}:
                lines[-1]["statements"].append(gist(statement["sql"]))
            else:
                lines.append({**line, "statements": [gist(statement["sql"])]})
        return lines

    @property
    def commits(self) -> bool:
        """Whether a statement of it commits on its way, as a backfill does."""
        return any(re.search(r"\bCOMMIT\b", text) for text in self.facts["sql"]["upgrade"])

    @property
    def builds(self) -> list[str]:
        """The indexes that it builds concurrently."""
        built: Mapping[str, str] = (self.facts["ledger"] or {"upgrade": {"indexes_built": {}}})["upgrade"][
            "indexes_built"
        ]
        return [index for index, mode in built.items() if mode == "ShareUpdateExclusiveLock"]


def gist(sql: str) -> str:
    """Return the beginning of a statement, or what a block is about, in one short line."""
    line = " ".join(re.sub(r"--[^\n]*", "", sql).split())
    if found := re.match(r"DO \$\w*\$", line):
        verbs = r"UPDATE|INSERT INTO|DELETE FROM|LOCK TABLE|(?:ALTER|DROP|CREATE) \w+"
        inner = re.findall(rf"\b((?:{verbs}) \S+)", line[found.end() :])
        line = f"DO … {inner[-1]}" if inner else "DO …"
    line = re.sub(r"\$\w*\$.*", "…", line)
    return line if len(line) <= 64 else f"{line[:62].rsplit(' ', 1)[0]} …"


def lasts(statement: Mapping[str, Any]) -> str:
    """Return how long a statement takes, in words: what it has to do, not how many seconds."""
    if statement["rewrites"]:
        return f"writes {', '.join(statement['rewrites'])} anew"
    if statement["builds"]:
        return f"builds {', '.join(statement['builds'])}"
    if "COMMIT" in statement["sql"]:
        return "batch by batch, each with its own commit"
    if statement["scans"]:
        return f"reads all of {', '.join(statement['scans'])}"
    if re.match(r"\s*(UPDATE|INSERT|DELETE|MERGE|WITH)\b", statement["sql"]):
        return "as many rows as it writes"
    if re.match(r"\s*LOCK TABLE\b", statement["sql"]):
        return "until the transaction ends"
    if re.match(r"\s*ANALYZE\b", statement["sql"]):
        return "a look at some rows"
    return "a change of the catalogue"


@dataclass
class Scenario:
    """What one wants, and the revisions that show how.

    Attributes:
        slug: its name: that of the step for whose sake one does it.
        title: what one wants with all the steps together.
        text: what the search looks at, by how much it counts.
        steps: the revisions.
        also: what else somebody may call it.
        before: what its tables had before the first step: the `objects` of the facts.
        naive: the naive way of each step that has one, by its slug.
    """

    slug: str
    title: str
    text: Mapping[str, str]
    steps: list[Step]
    also: str
    before: Mapping[str, Mapping[str, str]]
    naive: dict[str, list[Naive]] = field(default_factory=dict)
    related: "list[Scenario]" = field(default_factory=list)

    @property
    def part(self) -> str:
        part: str = self.steps[0].part
        return part

    @property
    def wish(self) -> str:
        """The title as a sentence begins."""
        return self.title[:1].upper() + self.title[1:]

    @property
    def lede(self) -> str:
        """What it is about."""
        prose: list[str] = self.steps[0].prose
        return prose[0] if prose else ""

    @cached_property
    def adapt(self) -> list[Adapted]:
        """What in its code is the example's."""
        lines = [step.said("Adapt") for step in self.steps]
        return adapted([line for line in lines if line not in ("", "nothing")])

    @property
    def needs(self) -> list[str]:
        """What has to hold before it; that the steps come one after the other goes without saying."""
        said = flat.from_iterable(step.said("Needs").split("; ") for step in self.steps)
        known = {"", "nothing", *(f"after {step.slug}" for step in self.steps)}
        return [need for need in dict.fromkeys(said) if need not in known]

    # The figures at the top: what the ledger has measured.

    @property
    def figures(self) -> list[dict[str, str]]:
        """The three things to know: who waits, what is read or written anew, what comes back."""
        did = [step.ledger["upgrade"] for step in self.steps if step.ledger]
        if not did:
            return []
        blocks = sorted({kind for one in did for kind in one["blocks"].values()})  # "reads" before "writes"
        rewrites = sorted({table for one in did for table in one["rewrites"]})
        scans = [(table, mode) for one in did for table, mode in one["full_scans"].items()]
        hard = sorted({table for table, mode in scans if mode == "AccessExclusiveLock"})
        soft = sorted({table for table, mode in scans} - set(hard))
        size = "good" if not (rewrites or hard) else "bad"
        work = (
            f"{', '.join(rewrites)} written anew"
            if rewrites
            else f"{', '.join(hard)} read under an exclusive lock"
            if hard
            else f"{', '.join(soft)} read while everybody works"
            if soft
            else "no table read or written anew"
        )
        waits = WAITS[blocks[0]] if blocks else WAITS[None] if any(one["locks"] for one in did) else "nothing"
        return [
            {"name": "what waits for a lock", "value": waits, "tone": "" if blocks else "good"},
            {"name": "what grows with the table", "value": work, "tone": size},
            {"name": "the way back", "value": self.way_back, "tone": "good" if self.lossless else ""},
        ]

    @property
    def lossless(self) -> bool:
        return all(step.lossless for step in self.steps)

    @property
    def way_back(self) -> str:
        """How much the downgrades give back, in a word or two."""
        if not all(step.reversible for step in self.steps):
            return "none from " + ", ".join(s.slug for s in self.steps if not s.reversible)
        lossy = [str(step.number) for step in self.steps if not step.lossless]
        if len(self.steps) == 1 and lossy:
            said: str = self.steps[0].said("Rollback")
            return said.split(";")[0] or "unsaid"
        if len(lossy) == len(self.steps):
            return "each step loses something"
        return (
            f"lossless but for step{'s' if len(lossy) > 1 else ''} {', '.join(lossy)}"
            if lossy
            else "lossless"
        )

    # The timeline.

    @cached_property
    def columns(self) -> int:
        """How many columns the grid of the timeline has: one for each step, one between and around them."""
        return 2 * len(self.steps) + 1

    @cached_property
    def lanes(self) -> dict[str, list[Bar]]:
        """The lanes of the timeline: which code runs, which step, what the tables have."""
        steps = [
            Bar(step_name(step), 2 * step.number, 2 * step.number + 1, f"step {step.number}", "step")
            for step in self.steps
        ]
        return {"code": self._code(), "migration": steps, "schema": self._schema()}

    def _bar(self, label: str, start: int, end: int, kind: str) -> Bar:
        first, last = start // 2, (end - 1) // 2
        if start <= 1:
            when = "all the time" if end > self.columns else f"until step {last or 1}"
            if end <= self.columns and end % 2 == 0:
                when = f"until before step {end // 2}"
        else:
            begins = f"from step {first}" if start % 2 == 0 else f"after step {first}"
            ends = "" if end > self.columns else f", until step {(end + 1) // 2}"
            when = begins + ends
        return Bar(label, start, end, when, kind)

    def _code(self) -> list[Bar]:
        """What the `Deploy:` lines say of code, as bars."""
        last = self.columns + 1
        found: dict[str, list[int]] = {}
        for step in self.steps:
            before, after = 2 * step.number, 2 * step.number + 1
            for moment, label in deploys(step.said("Deploy")):
                span = found.setdefault(label, [1, last])
                match moment:
                    case "starts after":
                        span[0] = after
                    case "starts before":
                        span[0] = max(1, before - 1)
                    case "starts with":
                        span[0] = before
                    case "ends before":
                        span[1] = before
                    case "ends with":
                        span[1] = after
        olds = [label for label, (start, _) in found.items() if start == 1]
        bars = [] if olds else [self._bar("the code as it is", 1, last, "code old")]
        for label, (start, end) in sorted(found.items(), key=lambda item: (item[1], item[0])):
            bars.append(self._bar(label, start, end, "code old" if start == 1 else "code new"))
        return bars

    def _schema(self) -> list[Bar]:
        """What tables get and lose on the way."""
        moments = [flattened(self.before), *(flattened(step.objects) for step in self.steps)]
        steady = set.intersection(*(set(moment.items()) for moment in moments))
        tables_at = [set(moment) for moment in [self.before, *(step.objects for step in self.steps)]]
        passing = set.union(*tables_at) - set.intersection(*tables_at)
        bars: list[Bar] = []
        for table in sorted(passing):
            there = [table in moment for moment in tables_at]
            bars += self._spans(f"table {table}", there, "table")
        things: dict[tuple[str, str, str], list[bool]] = {}
        for number, moment in enumerate(moments):
            for (table, thing), definition in moment.items():
                if table in passing or ((table, thing), definition) in steady:
                    continue
                things.setdefault((table, thing, definition), [False] * len(moments))[number] = True
        many = len({table for table, _, _ in things}) > 1
        order = {"column": 0, "trigger": 1, "constraint": 2, "index": 3}
        for (table, thing, definition), there in sorted(
            things.items(),
            key=lambda item: (item[0][0], order[item[0][1].split()[0]], item[1].index(True), item[0]),
        ):
            kind, _, name = thing.partition(" ")
            where = f"{table}." if many and kind == "column" else ""
            definition = re.sub(r"\(\((.*)\)\)", r"(\1)", definition)
            short = definition if len(definition) <= 60 else f"{definition[:58].rsplit(' ', 1)[0]} …"
            label = f"{where}{name} {short}" if kind == "column" else f"{kind} {name}: {short}"
            bars += self._spans(label, there, kind)
        return bars[:MOST_BARS]

    def _spans(self, label: str, there: Sequence[bool], kind: str) -> list[Bar]:
        """Return a bar for each stretch of moments at which something is there."""
        bars, start = [], None
        for number, is_there in enumerate([*there, False]):
            if is_there and start is None:
                start = number
            elif not is_there and start is not None:
                begin = 1 if start == 0 else 2 * start
                bars.append(self._bar(label, begin, 2 * number, kind))
                start = None
        return bars

    # If it stops.

    @property
    def stops(self) -> list[tuple[str, str]]:
        """For each kind of step: its numbers, and what is so when it stops there."""
        said: dict[str, list[int]] = {}
        for step in self.steps:
            said.setdefault(stopped(step), []).append(step.number)
        several = len(self.steps) > 1
        return [
            (f"Step{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}" if several else "", what)
            for what, numbers in said.items()
        ]

    @property
    def versions(self) -> list[str]:
        """Sentences that name a version."""
        texts = flat.from_iterable([*step.prose, *step.fields.values()] for step in self.steps)
        sentences = flat.from_iterable(re.split(r"(?<=[.;])\s+(?=[A-Z(])", text) for text in texts)
        return [
            sentence.strip("()") if sentence.startswith("(") else sentence
            for sentence in dict.fromkeys(sentences)
            if re.search(r"PostgreSQL \d|Alembic \d|psycopg \d", sentence)
        ]


def step_name(step: Step) -> str:
    """Return what a step is called on the timeline."""
    name: str = step.facts["step"]
    return name if name and len(name) < 20 else str(step.slug).split("_")[0]


def flattened(objects: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], str]:
    """Return what tables have as one mapping."""
    return {(table, thing): what for table, things in objects.items() for thing, what in things.items()}


GONE = re.compile(
    r"after (?:the |any )?(?:last )?(?P<what>code (?:that|whose) .+?|\w+ code)(?:,.*?)? (?:is|are) gone"
)
DEPLOYED = (
    ("ends before", GONE),
    ("ends before", re.compile(r"after the last (?P<what>code that [^;,]+)")),
    (
        "starts after",
        re.compile(r"before the (?P<what>(?:first version of the )?code(?: (?:that|whose) [^;,]+)?)"),
    ),
    ("starts after", re.compile(r"then deploy the (?P<what>\w+)")),
    ("starts with", re.compile(r"together with the (?P<what>code that [^;]+)")),
    ("ends with", re.compile(r"; (?P<what>code that [^;]+?) (?:fails|breaks)\b")),
    ("stays", re.compile(r"while the (?P<what>\w+ code) runs")),
    ("starts before", re.compile(r"after the (?P<what>code that [^;,]+)")),
)


def deploys(line: str) -> list[tuple[str, str]]:
    """Return what a `Deploy:` line says of code: at which moment it starts or ends, and which code."""
    found: list[tuple[str, str]] = []
    for moment, pattern in DEPLOYED:
        for match in pattern.finditer(line):
            what = match["what"]
            what = f"{what} code" if re.fullmatch(r"second|third|fourth", what) else what
            what = what if what.startswith(("code", "first version")) else f"the {what}"
            if (moment, what) not in found:
                found.append((moment, what))
        line = pattern.sub("", line)
    return found


def stopped(step: Step) -> str:
    """Return what is so when a step stops half-way, and what to do."""
    if not step.autocommit["upgrade"]:
        return "Nothing has changed: it is one transaction."
    if step.builds:
        return (
            "What is done stays. A build that was broken off leaves an INVALID index "
            f"({', '.join(step.builds)}), which the next try drops first."
        )
    if step.commits:
        return "The batches that are done stay done, no row is lost; the next try goes on with what is left."
    return "What is done stays; each statement can be run again."


def scenarios(facts: Mapping[str, Any], twins: Iterable[Twin], groups: Mapping[str, Any]) -> list[Scenario]:
    """Return all scenarios, in the order of the chain.

    Args:
        facts: what facts.py has printed.
        twins: the naive ways.
        groups: the content of scenarios.toml.

    Raises:
        AtlasError: a group has a revision that the chain has not, or that another one has, or not its own.
    """
    revisions = {revision["slug"]: revision for revision in facts["revisions"]}
    grouped = [slug for group in groups.values() for slug in group.get("steps", [])]
    if unknown := {*grouped, *groups} - revisions.keys():
        raise AtlasError(f"scenarios.toml: the chain has no {', '.join(sorted(unknown))}")
    if twice := sorted({slug for slug in grouped if grouped.count(slug) > 1}):
        raise AtlasError(f"scenarios.toml: {', '.join(twice)}: a revision is a step of one scenario")
    for name, group in groups.items():
        if name not in group.get("steps", [name]):
            raise AtlasError(f"scenarios.toml: {name} is no step of {name}")
    order = list(revisions)
    ways: dict[str, list[Naive]] = {}
    for twin in twins:
        ways.setdefault(twin.slug, []).append(Naive.of(twin))
    of = {slug: name for name, group in groups.items() for slug in group.get("steps", [])}
    found = []
    for slug in order:
        name = of.get(slug, slug)
        group = groups.get(name, {})
        slugs = group.get("steps", [name])
        if slug != min(slugs, key=order.index):
            continue
        steps = [Step(revisions[one], number) for number, one in enumerate(slugs, 1)]
        first = order.index(slug)
        scenario = Scenario(
            name,
            **facts["search"]["scenarios"][name],
            steps=steps,
            also=group.get("also", ""),
            before=facts["revisions"][first - 1]["objects"] if first else {},
            naive={step.slug: ways[step.slug] for step in steps if step.slug in ways},
        )
        found.append(scenario)
    relate(found)
    return found


CLAIMS = (
    (r"fails (\w{5})", r"It fails (SQLSTATE \1)."),
    (r"rewrites (\w+)", r"It writes \1 anew."),
    (
        r"blocks reads of (\w+) while it scans (\w+)",
        r"No statement reads or writes \1 while it reads all of \2.",
    ),
    (r"blocks writes of (\w+) while it scans (\w+)", r"No statement writes \1 while it reads all of \2."),
    (r"blocks reads of (\w+) while it (\w+) (\w+)", r"No statement reads or writes \1 while it \2 \3."),
    (r"blocks writes of (\w+) while it (\w+) (\w+)", r"No statement writes \1 while it \2 \3."),
    (r"blocks reads of (\w+)", r"No statement reads or writes \1 meanwhile."),
    (r"blocks writes of (\w+)", r"No statement writes \1 meanwhile."),
    (r"locks rows of (\w+) until the commit", r"Rows of \1 stay locked until all are done."),
    (r"scans (\w+) again at every try", r"It reads all of \1 again at every try."),
    (r"loses ([\w.]+)", r"It loses \1."),
    (r"breaks running code, (\w{5}): (.+)", r"Code that is running fails (SQLSTATE \1): \2"),
    (r"breaks old code, (\w{5}): (.+)", r"Old code fails (SQLSTATE \1): \2"),
    (r"refuses, (\w{5}): (.+)", r"It refuses (SQLSTATE \1): \2"),
    (r"accepts: (.+)", r"It accepts: \1"),
    (r"answers (\S+): (.+)", r"It answers \1 to: \2"),
    (r"plans ([\w ]+): (.+)", r"The planner takes a \1 for: \2"),
    (r"makes (\w+) larger than (\w+)", r"\1 is larger than \2."),
    (r"shows (\S+) in a statement", r"Values of \1 stand in a statement, and so in the log."),
)


def worded(claim: str) -> str:
    """Return a claim of a naive way as a sentence."""
    for pattern, sentence in CLAIMS:
        if re.fullmatch(pattern, claim):
            return re.sub(pattern, sentence, claim)
    return claim


def relate(found: Sequence[Scenario]) -> None:
    """Give each scenario the others that speak of the most alike: rare words count more."""
    words = {
        s.slug: set(re.findall(r"[a-z]{3,}", " ".join([s.title, s.also, s.text["wish"]]).lower()))
        for s in found
    }
    often: dict[str, int] = {}
    for one in words.values():
        for word in one:
            often[word] = often.get(word, 0) + 1
    for scenario in found:
        mine = words[scenario.slug]

        def likeness(other: Scenario, mine: Iterable[str] = frozenset(mine)) -> float:
            shared = set(mine) & words[other.slug]
            return sum(1 / often[word] ** 2 for word in shared) / (5 + len(words[other.slug]))

        others = sorted(
            (o for o in found if o is not scenario), key=lambda o: (-round(likeness(o), 9), o.slug)
        )
        scenario.related = others[:3]


def groups() -> dict[str, Any]:
    """Return the content of scenarios.toml."""
    return tomllib.loads((VERSIONS / "scenarios.toml").read_text(encoding="utf-8"))


def synonyms() -> list[list[str]]:
    """Return the groups of words that mean the same to the search."""
    read: list[list[str]] = tomllib.loads((VERSIONS / "synonyms.toml").read_text(encoding="utf-8"))["groups"]
    return read
