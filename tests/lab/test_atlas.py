"""The atlas: what it says of the chain, its files, and its pages in a browser.

The browser is Debian's chromium with its driver, or Google's chrome: apt-get install chromium
chromium-driver. Without one the tests that need it are skipped.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import fasteners
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from lab.atlas.__main__ import collect, make
from lab.atlas.markup import Adapted, adapted, highlighted, marks
from lab.atlas.measured import Compared, Drawn, measured
from lab.atlas.scenarios import AtlasError, Step, deploys, groups, scenarios
from lab.atlas.site import compact
from lab.twins import twins
from tests.conftest import BACKEND, TEMPLATE, generate_here

# What somebody types, and the page that has to be among the first three.
WISHES = {
    "a NOT NULL column on a big live table": "add_user_username",
    "add not null": "add_user_username",
    "make a field mandatory": "add_user_username",
    "add a column with a default": "add_document_priority",
    "optional column": "add_user_phone",
    "rename column": "rename_document_name_to_title",
    "rename a column without downtime": "expand_renamed_note",
    "rename a table": "rename_doc_pages",
    "split full name into first and last name": "add_user_name_parts",
    "delete a column": "drop_document_legacy_status",
    "drop table": "drop_legacy_exports",
    "extract json field into a column": "add_document_language",
    "soft delete": "soft_delete_documents",
    "full text search": "add_document_search",
    "insert seed data in a migration": "create_roles",
    "remove duplicate rows": "merge_duplicate_users",
    "same email twice": "merge_duplicate_users",
    "update millions of rows": "normalize_user_emails",
    "unique constraint without locking": "unique_user_email",
    "add foreign key to a large table": "add_document_category_fk",
    "foreign key on delete set null": "keep_audit_logs_of_deleted_users",
    "int to bigint": "expand_document_file_size",
    "integer out of range": "expand_document_file_size",
    "make varchar longer": "widen_user_username",
    "timestamp with time zone": "use_timestamptz_for_users",
    "check constraint with bad existing data": "check_document_file_size_positive",
    "drop not null": "check_document_file_size_positive",
    "change a check constraint": "raise_document_priority_limit",
    "add enum value": "add_document_status_archived",
    "remove enum value": "expand_document_status",
    "create index concurrently": "index_documents_status",
    "partial index": "index_documents_pending",
    "index jsonb": "index_documents_metadata",
    "case insensitive search": "index_users_name_lower",
    "LIKE '%word%' is slow": "index_documents_title_trigram",
    "last modified timestamp trigger": "touch_updated_at",
    "materialized view": "create_document_stats",
    "multi tenant row level security": "enable_webhook_row_security",
    "multiple heads": "merge_dev_and_prod",
    "partition a table by month": "create_webhook_deliveries",
    "delete old partitions": "detach_webhook_deliveries_partition",
    "index too big, bloat": "reindex_documents_user",
    "zero downtime column replacement": "expand_user_email",
    "tree of categories": "add_category_parent",
}


# What the sources say.


def facts_of(**revisions: dict[str, Any]) -> dict[str, Any]:
    """Return facts of a chain of which only little is known."""
    nothing = {"fields": {}, "summary": "", "step": "", "prose": [], "objects": {}, "sql": {"upgrade": []}}
    told = {slug: {"title": slug, "text": {"wish": ""}} for slug in revisions}
    return {
        "search": {"scenarios": told},
        "revisions": [{**nothing, "slug": slug, **known} for slug, known in revisions.items()],
    }


def test_steps_of_one_scenario_have_one_page_and_every_other_revision_its_own() -> None:
    found = scenarios(facts_of(melt={}, other={}, pour={}), [], {"melt": {"steps": ["melt", "pour"]}})
    assert [[step.slug for step in scenario.steps] for scenario in found] == [["melt", "pour"], ["other"]]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"one": {"steps": ["one", "three"]}}, "the chain has no three"),
        ({"three": {"also": "x"}}, "the chain has no three"),
        ({"one": {"steps": ["two"]}}, "one is no step of one"),
        ({"one": {"steps": ["one", "two"]}, "two": {"steps": ["two"]}}, "two: a revision is a step of one"),
    ],
)
def test_groups_that_do_not_fit_the_chain_are_refused(groups: dict[str, Any], message: str) -> None:
    with pytest.raises(AtlasError, match=message):
        scenarios(facts_of(one={}, two={}), [], groups)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("at any time; no code changes", []),
        ("before the code that reads tags, which wants more", [("starts after", "code that reads tags")]),
        ("after the code that knows full_name is gone", [("ends before", "code that knows full_name")]),
        ("after the last code that reads it", [("ends before", "code that reads it")]),
        ("after the code that can read a NULL", [("starts before", "code that can read a NULL")]),
        (
            "while the first code runs; then deploy the second",
            [("starts after", "the second code"), ("stays", "the first code")],
        ),
        (
            "together with the code that says b; code that says a fails from here on",
            [("starts with", "code that says b"), ("ends with", "code that says a")],
        ),
    ],
)
def test_a_deploy_line_says_which_code_starts_and_ends_when(
    line: str, expected: list[tuple[str, str]]
) -> None:
    assert deploys(line) == expected


def test_the_timeline_has_what_is_there_between_two_steps() -> None:
    column = {"column a": "integer"}
    [scenario] = scenarios(
        facts_of(
            expand={
                "objects": {"t": column | {"column b": "bigint", "trigger x": "BEFORE INSERT"}},
                "fields": {"Deploy": "before the code that reads b"},
            },
            contract={
                "objects": {"t": {"column b": "bigint"}},
                "fields": {"Deploy": "after the code that reads a is gone"},
            },
        ),
        [],
        {"expand": {"steps": ["expand", "contract"]}},
    )
    scenario.before = {"t": column}
    lanes = {bar.label: (bar.start, bar.end) for bars in scenario.lanes.values() for bar in bars}
    assert lanes == {
        "code that reads a": (1, 4),
        "code that reads b": (3, 6),
        "expand": (2, 3),
        "contract": (4, 5),
        "a integer": (1, 4),
        "b bigint": (2, 6),
        "trigger x: BEFORE INSERT": (2, 4),
    }


NAMES = adapted(["table documents, key uuid, columns file_size text", "table documents, label archived"])


def marked(code: str, language: str) -> str:
    """Return code with each name put in brackets, as the page's script finds it."""
    text, place, shift = code, 0, 0
    for mark in marks(code, language, NAMES).split():
        distance, number = map(int, mark.split(":"))
        place += distance
        end = place + len(NAMES[number].text)
        text = f"{text[: place + shift]}[{text[place + shift : end + shift]}]{text[end + shift :]}"
        shift += 2
    return text


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", 'op.drop_index("idx_[documents]_[file_size]", table_name="[documents]")'),
        ("python", 'documents = op.f("ck_[documents]_ok")'),
        ("python", 'op.execute("""\n    ALTER TABLE [documents] ADD COLUMN new_[text] text\n""")'),
        ("sql", "UPDATE [documents] SET [text] = [file_size]::text WHERE mydocuments IS NULL"),
        ("sql", "DO $$\nDECLARE batch [uuid][];\nBEGIN\n    NEW.[text] := '[archived]';\nEND\n$$"),
        ("sql", "SELECT gen_random_uuid(), archived FROM [documents]"),
    ],
)
def test_a_name_is_found_also_within_others_but_not_where_it_is_code_or_a_type(
    language: str, code: str
) -> None:
    plain = re.sub(r"\[(\w+)\]", r"\1", code)
    assert marked(plain, language) == code
    assert Text(str(highlighted(plain, language))).text == plain


class Text(HTMLParser):
    """The text of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_adapt_line_names_each_name_once() -> None:
    columns = [Adapted("column", text, "documents") for text in ("file_size", "text")]
    others = [Adapted("table", "documents"), Adapted("key", "uuid", "documents")]
    assert [*others, *columns, Adapted("label", "archived")] == NAMES


def test_the_key_of_a_table_that_is_made_is_left_to_the_command_line() -> None:
    names = adapted(["table users, key uuid, column email", "new table logins, key uuid"])
    assert [name.text for name in names if not name.typed] == ["uuid"]
    assert marks("id uuid, email text", "sql", names) == "9:2"


def result(**ways: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the lab writes of one twin."""
    run: dict[str, Any] = {"stall": 0.0, "seconds": 1.0, "failed": {}, "waits": []}
    return {
        "slug": "melt",
        "twin": "melt",
        **{way: [run | one for one in runs] for way, runs in ways.items()},
    }


def test_the_figures_are_those_of_the_lab_with_the_most_rows(tmp_path: Path) -> None:
    load = {"clients": 6, "rate": 200.0, "seed": 1}
    conditions = {"server": "18.6", "cores": 2, "runs": 1, "busy": 0.1, "load": load}
    naive = {"stall": 1471.0, "failed": {"57014": 2}, "waits": [[1.0, 1.5, "a"], [2.0, 0.5, "b"]]}
    for rows, right in ((1_000_000, 80.0), (1_000, 3.0)):
        scenarios = [result(naive=[naive], right=[{"stall": right}])]
        text = json.dumps({"rows": rows, **conditions, "scenarios": scenarios})
        (tmp_path / f"{rows}.json").write_text(text)
    [one] = measured(tmp_path)
    assert "1,000,000 documents, PostgreSQL 18.6" in one.conditions
    assert one.figures[0] == Compared("longest stall of a client", "1,471 ms", "80 ms", worse=True)
    assert one.figures[1] == Compared("failed statements", "2 x 57014", "0", worse=True)
    assert one.waits == Drawn("M40.0 0h60.0M80.0 1h20.0", "", 2.5)
    assert measured(tmp_path / "nothing") == []


# The files.


@pytest.fixture(scope="session")
def facts() -> dict[str, Any]:
    """What the chain says and does. It is looked at once, and known the next time."""
    sources = [*BACKEND.rglob("*.py"), *BACKEND.rglob("ledger.json"), TEMPLATE / "lab/atlas/facts.py"]
    digest = sha256(b"".join(path.read_bytes() for path in sorted(sources)))
    known = TEMPLATE / "build" / "atlas-tests" / f"{digest.hexdigest()[:16]}.json"
    known.parent.mkdir(parents=True, exist_ok=True)
    with fasteners.InterProcessLock(known.parent / "lock"):
        if not known.exists():
            known.write_text(json.dumps(collect()), encoding="utf-8")
    read: dict[str, Any] = json.loads(known.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="session")
def site(facts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with index.html in it."""
    folder = tmp_path_factory.mktemp("atlas") / "site"
    make(folder, facts)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_is_written_in_few_bytes_and_reads_the_same() -> None:
    page = '<p class="">a &gt; b</p>\n<ul id="x"><li title="&#34;">1 &#34;</li></ul><p>c</p> d <path d="M0"/>'
    assert compact(page) == '<p>a > b\n<ul id=x><li title=&#34;>1 "</ul><p>c</p> d <path d="M0"/>'
    code = '<pre tabindex="0"><b>x\n</b>\n\n  &lt;&amp;</pre>'
    assert compact(code) == code.replace('"0"', "0")


@pytest.mark.slow
def test_the_same_chain_gives_the_same_bytes(site: Path, tmp_path: Path) -> None:
    make(tmp_path / "again", collect())
    again, before = contents(tmp_path / "again"), contents(site)
    assert [name for name in before if again.get(name) != before[name]] == []
    assert again.keys() == before.keys()


@pytest.mark.slow
def test_every_revision_is_on_a_page_and_every_scenario_of_several_steps_is_known(
    facts: dict[str, Any],
) -> None:
    found = scenarios(facts, twins(), groups())
    steps = [step.slug for scenario in found for step in scenario.steps]
    assert sorted(steps) == sorted(revision["slug"] for revision in facts["revisions"])


@pytest.mark.slow
def test_the_sizes_are_kept(site: Path) -> None:
    sizes = {name: len(content) for name, content in contents(site).items()}
    assert max(size for name, size in sizes.items() if name.endswith(".html")) < 100_000
    pages = sum(name.endswith(".html") for name in sizes)
    assert sum(sizes.values()) < pages * 22_000  # with its Markdown, and its share of the indexes
    assert {name for name in sizes if name.endswith((".css", ".js"))} == {"atlas.css", "atlas.js"}


class Links(HTMLParser):
    """The ids of a page, and where it links to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                assert value not in self.ids, f"{value} twice"
                self.ids.add(value)
            if name in ("href", "src", "action", "for") and value:
                self.links.append(f"#{value}" if name == "for" else value)


@pytest.mark.slow
def test_every_link_leads_somewhere_and_none_leaves(site: Path) -> None:
    pages = {path.name: Links(path) for path in site.glob("*.html")}
    for name, page in pages.items():
        for link in page.links:
            if link != "data:,":
                there, _, place = link.partition("#")
                assert (site / there).exists(), f"{name}: {link}"
                assert not place or place in pages[there or name].ids, f"{name}: {link}"
    for path in [*site.glob("*.md"), site / "llms.txt"]:
        for link in re.findall(r"\]\(([^)]+\.md)\)", path.read_text(encoding="utf-8")):
            assert (site / link).exists(), f"{path.name}: {link}"


@pytest.mark.slow
def test_programs_find_every_scenario_in_the_index(site: Path) -> None:
    check = "check_jsonschema --schemafile scenarios.schema.json scenarios.json"
    subprocess.run([sys.executable, "-m", *check.split()], cwd=site, check=True, capture_output=True)
    index = json.loads((site / "scenarios.json").read_text(encoding="utf-8"))
    slugs = [scenario["slug"] for scenario in index["scenarios"]]
    assert sorted(slugs) == sorted(path.stem for path in site.glob("*.md"))
    assert re.findall(r"\((\w+)\.md\)", (site / "llms.txt").read_text(encoding="utf-8")) == slugs


@pytest.mark.slow
def test_a_page_says_what_was_measured(site: Path, facts: dict[str, Any]) -> None:
    by_slug = {revision["slug"]: revision for revision in facts["revisions"]}
    backfill = by_slug["backfill_user_name_parts"]
    [table] = backfill["rows"]
    assert (table["table"], table["counts"]["changed"]) == ("users", 19)
    shown = {
        cells[1][1]["value"]: [cell[1]["value"] for cell in cells[2:]]
        for cells in (r["cells"] for r in table["rows"])
    }
    assert shown["  Ada   Lovelace "] == ["Ada", "Lovelace"]
    page = (site / "add_user_name_parts.html").read_text(encoding="utf-8")
    assert "19 of 20 rows change" in page
    assert "In the sample 2 of 20 rows of <code>users</code> are not as they were" in page
    step = Step(by_slug["require_user_role"], 1)
    assert {mode for line in step.locks for mode, _ in line["locks"]} >= {
        "AccessExclusive",
        "ShareUpdateExclusive",
    }


# The pages in a browser.


@pytest.fixture(scope="session")
def options() -> webdriver.ChromeOptions:
    """What a browser is started with."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if not browser or not shutil.which("chromedriver"):
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    made = webdriver.ChromeOptions()
    made.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        made.add_argument(argument)
    made.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return made


def started(options: webdriver.ChromeOptions) -> webdriver.Chrome:
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


@pytest.fixture(scope="session")
def browser(options: webdriver.ChromeOptions) -> Iterator[webdriver.Chrome]:
    """A browser."""
    driver = started(options)
    yield driver
    driver.quit()


def log(browser: Any, kind: str) -> list[dict[str, Any]]:
    """Return what a browser has noted since it was last asked."""
    noted: list[dict[str, Any]] = browser.get_log(kind)
    return noted


def look(browser: webdriver.Chrome, width: int, scheme: str) -> None:
    """Have the browser be so wide, and like it light or dark."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


@pytest.mark.slow
def test_the_search_finds_each_wish_among_the_first_three(browser: webdriver.Chrome, site: Path) -> None:
    browser.get((site / "index.html").as_uri())
    box = browser.find_element(By.ID, "q")
    missed = {}
    for wish, slug in WISHES.items():
        box.clear()
        box.send_keys(wish)
        links = browser.find_elements(By.CSS_SELECTOR, "#hits a")
        found = [Path(link.get_attribute("href") or "").stem for link in links]
        if slug not in found[:3]:
            missed[wish] = found
    assert not missed
    assert len(WISHES) >= 40


@pytest.mark.slow
def test_the_search_is_used_by_keyboard_alone_from_any_page(browser: webdriver.Chrome, site: Path) -> None:
    browser.get((site / "add_user_phone.html").as_uri())
    browser.find_element(By.TAG_NAME, "body").send_keys("/")
    browser.switch_to.active_element.send_keys("bigint")
    assert "scenarios" in browser.find_element(By.ID, "count").text
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.find_element(By.ID, "found").is_displayed()
    browser.switch_to.active_element.send_keys(" ", Keys.ARROW_DOWN)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.current_url.endswith("/expand_document_file_size.html")


@pytest.mark.slow
def test_no_page_has_an_error_or_asks_the_network_or_is_wider_than_a_phone(
    browser: webdriver.Chrome, site: Path
) -> None:
    look(browser, 390, "light")
    log(browser, "browser")
    log(browser, "performance")
    for path in sorted(site.glob("*.html")):
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, path.name
        assert log(browser, "browser") == [], path.name
    messages = [json.loads(entry["message"])["message"] for entry in log(browser, "performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert len(asked) > len(list(site.glob("*.html")))
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: webdriver.Chrome, site: Path, scheme: str) -> None:
    look(browser, 1400, scheme)
    browser.set_script_timeout(120)
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    pages = sorted(site.glob("*_*.html"), key=lambda path: path.stat().st_size)
    # They are of one template: the smallest has least in it, the largest most.
    for path in [site / "index.html", pages[0], pages[len(pages) // 2], pages[-1]]:
        browser.get(path.as_uri())
        browser.execute_script(axe)
        found = browser.execute_async_script(
            "const done = arguments[0]; axe.run({resultTypes: ['violations']}).then(r => done(r.violations))"
        )
        told = [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found]
        assert told == [], path.name


@pytest.mark.slow
def test_without_javascript_everything_can_be_read(options: webdriver.ChromeOptions, site: Path) -> None:
    browser = started(options)
    try:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get((site / "index.html").as_uri())
        assert "Add a nullable column" in browser.find_element(By.TAG_NAME, "main").text
        browser.get((site / "expand_document_file_size.html").as_uri())
        for hidden in browser.find_elements(By.CSS_SELECTOR, "button.copy, form.adapt"):
            assert not hidden.is_displayed()
        panel = browser.find_element(By.CSS_SELECTOR, "#expand_document_file_size .panel-sql")
        assert not panel.is_displayed()
        browser.find_element(By.CSS_SELECTOR, "label[for=t1s]").click()
        assert "ALTER TABLE documents ADD COLUMN new_file_size BIGINT" in panel.text
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        for code in browser.find_elements(By.CSS_SELECTOR, ".tabs pre"):
            assert code.is_displayed()
    finally:
        browser.quit()


# The form.

ORDERS = """
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_orders PRIMARY KEY,
    amount integer NOT NULL, note text);
INSERT INTO orders (amount) SELECT n FROM generate_series(1, 12000) AS n;
INSERT INTO orders (amount) VALUES (0), (2147483647), (-2147483648);
"""


@pytest.mark.slow
def test_the_form_rewrites_code_that_runs_in_a_plain_project(
    browser: webdriver.Chrome, site: Path, tmp_path: Path
) -> None:
    look(browser, 1400, "light")
    browser.get((site / "expand_document_file_size.html").as_uri())
    for field, text in {"table": "orders", "column": "amount"}.items():
        box = browser.find_element(
            By.XPATH, f"//form[@class='adapt']//label[starts-with(., '{field}')]/input"
        )
        box.clear()
        box.send_keys(text)
    key = browser.find_element(By.CSS_SELECTOR, "form.adapt select")
    Select(key).select_by_visible_text("bigint")
    command = browser.find_element(By.ID, "command").text
    assert "--table documents=orders --column file_size=amount --key uuid=bigint" in command
    codes = [
        pre.get_property("textContent") for pre in browser.find_elements(By.CSS_SELECTOR, ".panel-py pre")
    ]
    assert not any("file_size" in str(code).replace("document_file_size", "") for code in codes)

    (tmp_path / "project").mkdir()
    backend = generate_here(tmp_path / "project", history="empty")
    backend.install()
    try:
        url = backend.run("python -m migrate url").strip().replace("postgresql://", "postgresql+psycopg://")
        backend.run("mkdir plain && cd plain && alembic init alembic")
        ini = backend / "plain/alembic.ini"
        ini.write_text(
            re.sub(r"^sqlalchemy.url = .*$", f"sqlalchemy.url = {url}", ini.read_text(), flags=re.M)
        )
        for number, code in enumerate(codes):
            text = re.sub(r'(down_revision = )"cb294da69df4"', r"\1None", str(code))
            (backend / f"plain/alembic/versions/{number}.py").write_text(text)
        (backend / "orders.sql").write_text(ORDERS)
        backend.run("python -m migrate psql -f orders.sql")
        values = "pg_typeof(amount), count(*), min(amount), max(amount), sum(amount)"
        ask = f'python -m migrate psql -Atc "SELECT {values} FROM orders GROUP BY 1"'
        before = backend.run(ask).strip()
        backend.run("cd plain && alembic upgrade head")
        assert backend.run(ask).strip() == before.replace("integer", "bigint")
        backend.run("cd plain && alembic downgrade base")
        assert backend.run(ask).strip() == before
        assert before.startswith("integer|12003|-2147483648|2147483647|")
    finally:
        backend.remove_server()
