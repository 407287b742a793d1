"""The site as a reader meets it: built, every link followed, looked at in a browser in both colour schemes."""

import re, subprocess, sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag
import pytest
from conftest import REPOSITORY

pytest.importorskip(
    "material", reason="the site's generator is not installed: pip install -c constraints.txt -e '.[docs]'"
)


class Page(HTMLParser):
    """Addresses that a page names, places that it can be linked to, and pictures without a text."""

    def __init__(self):
        super().__init__()
        self.links, self.loads, self.anchors, self.silent = [], [], set(), []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        for name in ("id", "name"):
            if found.get(name):
                self.anchors.add(found[name])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") in (
            "stylesheet",
            "icon",
            "preload",
            "preconnect",
            "prefetch",
            "dns-prefetch",
        ):
            self.loads.append(found["href"])
        if found.get("src"):
            self.loads.append(found["src"])
        if tag == "img" and not (found.get("alt") or "").strip():
            self.silent.append(found.get("src"))


def read_page(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def dead_links(site):
    """Links and files that pages of a site name and that do not exist, or that would be fetched from elsewhere."""
    pages, dead = {path.resolve(): read_page(path) for path in site.rglob("*.html")}, []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            if link.startswith("data:"):
                continue
            if re.match(r"[a-z]+:|//", link):
                if link in page.loads:
                    dead.append(f"{path.name} loads {link} from elsewhere")
                continue
            place, anchor = urldefrag(link)
            target = (path.parent / unquote(place)).resolve() if place else path
            if path.name == "404.html" and link.startswith("/"):
                target = (site / unquote(place).lstrip("/")).resolve()
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                dead.append(f"{path.relative_to(site)} links to {link}")
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                dead.append(f"{path.relative_to(site)} links to {link}: no such place")
    for style in site.rglob("*.css"):
        dead += [
            f"{style.name} loads {address}"
            for address in re.findall(r"url\([\"']?((?:https?:)?//[^)\"']+)", style.read_text(encoding="utf-8"))
        ]
    return dead


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site once."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "docs" / "build.py"), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder / "site"


def test_site_has_every_notebook_module_recipe_and_card(site):
    from xicl_study.models.embedded import EMBEDDED
    from xicl_study.files import read_json

    for path in (REPOSITORY / "nbs").rglob("*.ipynb"):
        if ".ipynb_checkpoints" in path.parts or path.stem == "index":
            continue
        inside = path.relative_to(REPOSITORY / "nbs").with_suffix(".html")
        assert (site / inside).is_file() or (site / "library" / inside).is_file(), f"{inside} has no page"
    for path in (REPOSITORY / "xicl_study").rglob("[!_]*.py"):
        assert (site / "api" / path.relative_to(REPOSITORY / "xicl_study").with_suffix(".html")).is_file()
    recipes = (site / "recipes.html").read_text(encoding="utf-8")
    for path in (REPOSITORY / "xicl_study" / "recipes").glob("*.yaml"):
        assert f'id="{path.stem}"' in recipes
    assert set(EMBEDDED) <= read_page(site / "cards" / "models.html").anchors
    data = (site / "cards" / "data.html").read_text(encoding="utf-8")
    for name, facts in read_json(REPOSITORY / "data" / "manifest.json")["files"].items():
        assert name in data and facts["sha256"] in data


def test_reference_shows_each_parameter_with_its_comment(site):
    text = (site / "api" / "closed_loop" / "losses.html").read_text(encoding="utf-8")
    why = (site / "library" / "closed_loop" / "02_losses.html").read_text(encoding="utf-8")
    assert "natural-log probabilities, the distribution" in text and "<math" in why
    assert read_page(site / "api" / "croco" / "pairs.html").anchors >= {"build_pairs", "PairSet", "minimum_share"}


def test_reference_and_library_are_grouped_by_room(site):
    overview = read_page(site / "api" / "index.html")
    for room in ("tasks", "closed_loop", "croco", "study"):
        assert room in overview.anchors
        assert any(link.startswith(f"{room}/") for link in overview.links)
    listed = read_page(site / "library" / "index.html").links
    assert {"closed_loop/02_losses.html", "tasks/01_languages.html", "01_errors.html"} <= set(listed)


def test_executed_experiments_show_their_figures(site):
    page = read_page(site / "experiments" / "closed_loop" / "02_main_result.html")
    assert any("figures/" in address for address in page.loads), (
        "the published run's figures are on the experiment's page"
    )
    assert (
        len(
            [
                address
                for address in read_page(site / "published" / "laptop" / "index.html").loads
                if "figures/" in address
            ]
        )
        >= 4
    )


STAGES_SHOWN = ["closed_loop/01_train", "closed_loop/08_wide", "croco/02_candidates", "croco/05_pairs"]


@pytest.mark.parametrize("name", STAGES_SHOWN)
def test_an_experiment_shows_the_published_run_of_its_stage(site, name):
    text = (site / "experiments" / f"{name}.html").read_text(encoding="utf-8")
    assert "With the outputs of a published run" in text and "Not run yet" not in text


def test_results_say_the_answer_and_show_a_figure(site):
    for study in sorted((REPOSITORY / "outputs" / "published").glob("*/results.parquet")):
        text = (site / "results" / f"{study.parent.name}.html").read_text(encoding="utf-8")
        assert "<strong>" in text.split("<h2")[0] and "<img" in text.split("<h2")[0]
        assert (
            "{"
            not in re.sub(r"<(script|style).*?</\1>", "", text.split("<article")[1], flags=re.DOTALL).split(
                "</article>"
            )[0]
        )
    home = (site / "index.html").read_text(encoding="utf-8")
    assert "overview.png" in home and "{laptop-full" not in home


def test_tutorials_show_their_pictures(site):
    for path in sorted((site / "tutorials").glob("*.html")):
        assert len([address for address in read_page(path).loads if "figures/" in address]) >= 3, path.name
        assert "Not run yet" not in path.read_text(encoding="utf-8")


def test_no_dead_link_and_nothing_from_elsewhere(site):
    assert dead_links(site) == []
    assert [(path.name, page.silent) for path in site.rglob("*.html") if (page := read_page(path)).silent] == []


def test_the_link_check_finds_what_is_wrong(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html">x</a><a href="a.html#here">y</a><script src="https://elsewhere.example/x.js"></script><img'
        ' src="c.png">',
        encoding="utf-8",
    )
    assert len(dead_links(tmp_path)) == 4


SHOWN = [
    "index.html",
    "experiments/closed_loop/02_main_result.html",
    "library/closed_loop/02_losses.html",
    "library/croco/01_pairs.html",
    "api/croco/pairs.html",
    "api/index.html",
    "results/index.html",
    "results/laptop-full.html",
    "results/croco_ablation.html",
    "recipes.html",
    "cards/data.html",
    "cards/models.html",
    "published/laptop/index.html",
    "project/contributing.html",
]


def shown_pages(site):
    return [name for name in SHOWN if (site / name).is_file()] + [
        str(path.relative_to(site))
        for folder in ("tutorials", "guides")
        for path in sorted((site / folder).glob("*.html"))
    ]


# a page of each kind, and every page where there is time
@pytest.mark.parametrize("scheme, step", [("light", 4), ("dark", 8), pytest.param("light", 1, marks=pytest.mark.slow)])
def test_no_serious_accessibility_finding(site, browser, scheme, step):
    from browser import serious_findings

    found, fetched = {}, []
    for name in shown_pages(site)[::step]:
        with browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}) as context:
            page = context.new_page()
            page.on("request", lambda request: fetched.append(request.url))
            page.goto((site / name).as_uri())
            assert (page.evaluate("document.body.dataset.mdColorScheme") == "slate") == (scheme == "dark")
            if findings := serious_findings(page):
                found[name] = findings
    assert found == {}
    assert [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))] == [], (
        "nothing is fetched from elsewhere"
    )


def test_phone_shows_pages_without_sideways_scrolling(site, browser):
    wide = []
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        for name in shown_pages(site):
            page.goto((site / name).as_uri())
            if page.evaluate("document.documentElement.scrollWidth") > 390:
                wide.append(name)
    assert wide == []


def test_search_finds_a_function(site, browser):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.goto((site / "index.html").as_uri())
        page.keyboard.press("/")
        page.keyboard.type("build_pairs", delay=20)
        page.wait_for_selector(".md-search-result__link", timeout=20_000)
        assert any(
            "croco/pairs" in link.get_attribute("href") for link in page.query_selector_all(".md-search-result__link")
        )


def test_missing_glyphs_are_found(browser):
    from browser import missing_glyphs

    with browser.new_context() as context:
        page = context.new_page()
        page.set_content("<p>Hujambo \U000105c0</p>")  # a letter of Todhri, which fonts of today lack
        assert missing_glyphs(page) == ["\U000105c0"]
        page.set_content("<p>Hujambo dunia</p>")
        assert missing_glyphs(page) == []


def test_serious_findings_are_found(browser):
    from browser import serious_findings

    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(
            "<html lang='en'><title>x</title><main><img src='data:,'><p"
            " style='color:#ccc;background:#fff'>pale</p></main></html>"
        )
        assert {finding.split(" ")[0] for finding in serious_findings(page)} == {"image-alt", "color-contrast"}
