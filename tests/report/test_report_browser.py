"""The report in a real browser: phone and desktop, light and dark, sorting, text of every script.

Nothing is loaded, and nothing runs but its own script.
"""

import json
import pytest
from demo_tables import CORE_METHODS, demo_predictions, write_demo_study
from xicl_study.report.main_figures import study_figures
from xicl_study.report.main_page import write_report
from xicl_study.files import write_text

ATTACK = "<script>document.title='taken over'</script><img src=x onerror=\"document.title='taken over'\">"
SCRIPTS = {"ar": "مرحبا (123) abc", "hi": "नमस्ते दुनिया", "zh": "你好，世界", "sw": "Hujambo dunia", "am": "ሰላም ልዑል"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study whose generated texts are of five scripts and one of them is hostile."""
    import nbformat.v4 as v4

    folder = tmp_path_factory.mktemp("studies") / "demo"
    predictions = demo_predictions(tuple(SCRIPTS), CORE_METHODS, n_items=12)
    for code, text in SCRIPTS.items():
        for index in predictions.index[(predictions.language == code) & (predictions.method == "closed_loop")]:
            predictions.at[index, "demonstrations"] = [{"input": f"{text} {ATTACK}", "output": text, "language": code}]
            predictions.at[index, "prediction"] = ATTACK
    write_demo_study(folder, tuple(SCRIPTS), CORE_METHODS, predictions)
    executed = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# Main result"),
            v4.new_code_cell(
                "shown",
                outputs=[
                    v4.new_output(
                        "display_data",
                        {"text/html": f"<table><tr><td>{SCRIPTS['ar']}</td><td>{ATTACK}</td></tr></table>"},
                    ),
                    v4.new_output("stream", text=f"{SCRIPTS['hi']} {ATTACK}\n"),
                ],
            ),
        ]
    )
    write_text(folder / "runs" / "main_result" / "ar" / "0" / "notebook.ipynb", json.dumps(executed))
    write_text(
        folder / "human" / "report" / "report.md",
        f"# Ratings\n\n| system | mean |\n|---|---|\n| {SCRIPTS['ar']} | 3.1 |\n",
    )
    study_figures(folder)
    write_report(folder)
    return folder


VIEWS = [("phone", 390, "light"), ("phone", 390, "dark"), ("desktop", 1280, "light"), ("desktop", 1280, "dark")]


@pytest.mark.parametrize("name, width, scheme", VIEWS, ids=[f"{name}-{scheme}" for name, _, scheme in VIEWS])
def test_pages_fit_and_are_accessible(study, browser, name, width, scheme):
    from browser import languages_with_fonts, missing_glyphs, serious_findings

    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page, fetched, complaints = context.new_page(), [], []
        page.on("request", lambda request: fetched.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for place in ("report.html", "runs/main_result/ar/0/notebook.html", "human/report/report.html"):
            page.goto((study / place).as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{place} scrolls sideways"
            assert serious_findings(page) == [], place
            assert "taken over" not in page.title()
            drawable = languages_with_fonts(SCRIPTS)  # a page takes its fonts from the machine
            assert not set("".join(SCRIPTS[code] for code in drawable)) & set(missing_glyphs(page)), (
                f"{place} draws boxes"
            )
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(255, 255, 255)") == (scheme == "light"), ground
        assert (
            complaints == []
            and all(url.startswith(("file:", "data:")) for url in fetched)
            and not any(url.endswith("/x") for url in fetched)
        )


def first_cells(page, table):
    return page.eval_on_selector_all(f"{table} tbody th", "cells => cells.map(each => each.textContent.trim())")


def numbers(page, table, column):
    cells = page.eval_on_selector_all(
        f"{table} tbody td:nth-child({column})", "cells => cells.map(each => each.firstChild.textContent)"
    )
    return [float(text.strip().strip("*").replace("−", "-")) for text in cells]


def test_the_main_table_sorts_by_any_column_and_back(study, browser):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page, table = context.new_page(), "#main .scroll:first-of-type table"
        page.goto((study / "report.html").as_uri() + "#main")
        assert page.locator("#main").get_attribute("open") is not None, "a link to a folded part opens it"
        page.locator("#differences > summary").click()
        written = first_cells(page, table)
        assert len(written) == len(CORE_METHODS) and numbers(page, table, 3) != sorted(
            numbers(page, table, 3), reverse=True
        )
        button = page.locator(f"{table} thead th:nth-child(3) button").first
        button.focus()
        page.keyboard.press("Enter")
        assert numbers(page, table, 3) == sorted(numbers(page, table, 3), reverse=True)
        assert page.get_attribute(f"{table} thead th:nth-child(3)", "aria-sort") == "descending"
        button.click()
        assert numbers(page, table, 3) == sorted(numbers(page, table, 3))
        button.click()
        assert (
            first_cells(page, table) == written
            and page.get_attribute(f"{table} thead th:nth-child(3)", "aria-sort") is None
        )
        page.locator("#differences thead th:nth-child(2) button").first.click()
        found = numbers(page, "#differences .scroll:first-of-type table", 2)
        assert found == sorted(found, reverse=True), "differences sort by their sign"


def test_without_scripts_the_page_is_whole(study, browser):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((study / "report.html").as_uri())
        assert page.locator(".opening .asked").is_visible() and not page.locator("#main table").first.is_visible()
        page.locator("#main > summary").click()
        assert page.locator("thead button").count() == 0 and page.locator("#main table").first.is_visible()


def test_each_language_has_its_section_in_its_direction(study, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto((study / "report.html").as_uri())
        assert page.locator("#languages details").count() == len(SCRIPTS)
        page.locator("nav a", has_text="Languages").click()
        page.locator("#language-ar summary").click()
        assert page.locator("#language-ar tbody tr").count() == len(CORE_METHODS)
        page.locator("#language-ar a", has_text="notebook").first.click()
        assert page.url.endswith("runs/main_result/ar/0/notebook.html") and SCRIPTS["ar"] in page.inner_text("main")
        page.locator("nav a").click()
        page.locator("#ratings > summary").click()
        page.locator("#ratings a").click()
        assert "Ratings" in page.inner_text("h1")
        page.goto((study / "report.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        directions = page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('#samples bdi[lang]')].map(each => [each.lang,"
            " getComputedStyle(each).direction]))"
        )
        assert directions["ar"] == "rtl" and directions["hi"] == "ltr"
