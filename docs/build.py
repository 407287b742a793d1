"""Build the site from the notebooks, the package and the files of the project, without a network: `make docs`."""

import argparse, os, re, shutil, subprocess, sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(HERE), str(REPOSITORY / "tests")]
from card_pages import data_page, model_page, published_page, recipe_page  # noqa: E402
from findings import Filler  # noqa: E402
from house import ROOMS  # noqa: E402
from notebook_pages import change_links, has_outputs, notebook_page, read_notebook, title_of  # noqa: E402
from reference_pages import module_address, module_page, overview_page  # noqa: E402
from results import RESULTS, read_findings, studies  # noqa: E402
from run_tutorials import KEPT, is_current  # noqa: E402

SECTIONS = {"tutorials": "Tutorials", "experiments": "Experiments"}
# docs/pages/, in the order of the navigation; others follow by name
GUIDES = (
    "install",
    "run_studies",
    "use_the_library",
    "front_door",
    "papers_and_questions",
    "speed",
    "change_the_library",
    "licences",
)
METHODS = {"closed_loop": "The closed loop", "croco": "CroCo"}  # folders below nbs/experiments


class Site:
    """The pages of a build: where each notebook and file goes, and what was written."""

    def __init__(
        self,
        pages: Path,  # the folder of the Markdown pages
    ):
        self.pages, self.nav, self.notebooks = pages, [], {}
        for path in sorted((REPOSITORY / "nbs").rglob("*.ipynb")):
            if ".ipynb_checkpoints" in path.parts:
                continue
            inside = path.relative_to(REPOSITORY / "nbs")
            place = inside if inside.parts[0] in ("tutorials", "experiments") else Path("library") / inside
            self.notebooks[path] = "index.md" if inside.name == "index.ipynb" else str(place.with_suffix(".md"))
        # a link to a module leads to its page in the reference
        package = REPOSITORY / "xicl_study"
        self.modules = {
            path: module_address(".".join(path.relative_to(package).with_suffix("").parts))
            for path in sorted(package.rglob("[!_]*.py"))
        }
        self.published = {
            path: str(path.relative_to(REPOSITORY / "outputs").with_suffix(".md"))
            for path in sorted((REPOSITORY / "outputs" / "published").rglob("*.ipynb"))
            if path.parent != KEPT
        }
        self.texts = {REPOSITORY / name: f"project/{name.lower()}" for name in ("CONTRIBUTING.md", "CHANGELOG.md")}
        self.texts |= {REPOSITORY / "data" / "README.md": "project/data.md"}
        self.texts |= {REPOSITORY / "nbs" / "README.md": "library/index.md", RESULTS / "README.md": "results/index.md"}
        self.texts |= {RESULTS / f"{study.name}.md": f"results/{study.name}.md" for study in studies()}
        self.texts |= {path: f"guides/{path.name}" for path in sorted((HERE / "pages").glob("*.md"))}

    def write(
        self,
        place: str,  # the page's address
        text: str,  # its Markdown
    ):
        """Write a page."""
        path = self.pages / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def figure(
        self,
        place: str,  # the page that shows the image
    ):
        """Return a function that keeps an image below `figures/` and gives its address as the page names it."""

        def keep(data, ending):
            name = f"figures/{sha256(data).hexdigest()[:16]}.{ending}"
            (self.pages / "figures").mkdir(parents=True, exist_ok=True)
            (self.pages / name).write_bytes(data)
            return os.path.relpath(name, Path(place).parent)

        return keep

    def target(
        self,
        place: str,  # the page that holds the link
        folder: Path,  # the folder that its source lies in
    ):
        """Return a function that turns a link of a source into a link of the page; a file that is no page is copied.

        Raises `SystemExit` when it leads nowhere.
        """

        def change(link):
            if link.startswith("#") or ":" in link.split("/")[0]:
                return link
            path, _, anchor = link.partition("#")
            found = (folder / unquote(path)).resolve()
            known = {
                **self.notebooks,
                **self.modules,
                **self.published,
                **self.texts,
                REPOSITORY / "README.md": "index.md",
            }
            if found in known:
                goal = known[found]
            elif found.is_file() and found.is_relative_to(REPOSITORY):
                goal = self.copy(found)
            elif found.is_dir() and (found / "README.md") in known:
                goal = known[found / "README.md"]
            else:
                raise SystemExit(f"{place}: the link {link} leads nowhere")
            return os.path.relpath(goal, Path(place).parent) + (f"#{anchor}" if anchor else "")

        return change

    def copy(
        self,
        path: Path,  # a file of the project
    ) -> str:
        """Copy a file into the site, with the files that a published report links to, and return its address."""
        goal = str(path.relative_to(REPOSITORY))
        if path.suffix in (".md", ""):
            goal += ".txt"  # to be read as it is
        (self.pages / goal).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, self.pages / goal)
        if path.suffix == ".html":
            (self.pages / goal).write_text(self.report_text(path), encoding="utf-8")
        if path.name == "report.html":
            for pattern in (
                "runs/*/*/*/notebook.*",
                "training/*/notebook.*",
                "runs/*/*/*/sheets/sheet.*",
                "human/*.html",
                "notebooks/*.html",
                "pages/*.html",
            ):
                for beside in path.parent.glob(pattern):
                    (self.pages / beside.relative_to(REPOSITORY)).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(beside, self.pages / beside.relative_to(REPOSITORY))
        return goal

    def report_text(
        self,
        path: Path,  # a published report
    ) -> str:
        """Return a report whose links lead to what is published: notebooks to their pages, what is left out nowhere."""

        def change(match):
            found = (path.parent / unquote(match[1])).resolve()
            if found in self.published:
                return match[0].replace(
                    match[1],
                    os.path.relpath(
                        Path(self.published[found]).with_suffix(".html"), path.parent.relative_to(REPOSITORY)
                    ),
                )
            return match[0] if found.is_file() else f"{match[2]} (not published)"

        return re.sub(r'<a href="([^"#:]+)">([^<]*)</a>', change, path.read_text(encoding="utf-8"))


def _runs_of(site, path):
    """The published runs of an experiment's notebook: those of its stage, wherever the notebook lay at that time."""
    from xicl_study.study.experiments import STAGES

    inside = path.relative_to(REPOSITORY / "nbs")
    stage = next((each for each in STAGES.values() if inside.as_posix() == f"experiments/{each.notebook}"), None)
    if stage is None:
        return []
    place = f"{stage.place('*', '*')}/notebook.ipynb"
    return [run for run in site.published if run.relative_to(REPOSITORY / "outputs" / "published").match(f"*/{place}")]


def _run_title(path):
    """A published notebook's study, language and seed."""
    from xicl_study.tasks.languages import languages

    parts = path.relative_to(REPOSITORY / "outputs" / "published").with_suffix("").parts
    shown = [
        languages()[part].name if part in languages() else f"seed {part}" if part.isdigit() else part
        for part in parts
        if part not in ("runs", "notebook")
    ]
    return ", ".join(dict.fromkeys(shown))


def add_notebooks(
    site: Site,  # the build
):
    """Write one page per notebook, with the outputs of a published run where there is one, and a page per published
    run.
    """
    sections = {"Tutorials": [], "Experiments": [], "Library": []}
    for path, place in site.notebooks.items():
        notebook, before, runs = read_notebook(path), "", _runs_of(site, path)
        if place == "index.md":
            notebook = with_numbers(notebook)
        title = title_of(notebook, path.stem)
        if runs and not has_outputs(notebook):
            notebook = read_notebook(runs[0])
            links = ", ".join(
                f"[{_run_title(run)}]({os.path.relpath(site.published[run], Path(place).parent)})" for run in runs
            )
            before = (
                f'!!! info "With the outputs of a published run"\n    Shown: {_run_title(runs[0])}. All runs: {links}.'
            )
        elif place.startswith("tutorials") and is_current(path, KEPT / path.name):
            notebook = read_notebook(KEPT / path.name)
            before = (
                '!!! info "Run with the tutorial\'s own model"\n    Controls are shown as pictures here. To move them,'
                " and to solve the exercises, open it in JupyterLab: `make lab`, then"
                f" `{path.relative_to(REPOSITORY)}`."
            )
        elif place.startswith(("tutorials", "experiments")) and not has_outputs(notebook):
            before = (
                '!!! note "Not run yet"\n    This page shows the notebook without outputs. To see them, open it in'
                f" JupyterLab: `make lab`, then `{path.relative_to(REPOSITORY)}`."
            )
        site.write(place, notebook_page(notebook, site.figure(place), site.target(place, path.parent), before))
        if place != "index.md":
            number = path.stem.split("_")[0] if path.stem[0].isdigit() else ""
            shown = f"{number} {title}" if number and not title.startswith(number) else title
            sections[SECTIONS.get(place.split("/")[0], "Library")].append((shown, place))
    for path, place in site.published.items():
        site.write(
            place,
            notebook_page(
                read_notebook(path),
                site.figure(place),
                lambda link: link if ":" in link else "#",
                f"Published run: {_run_title(path)}",
            ),
        )
    for study in sorted((REPOSITORY / "outputs" / "published").glob("*/recipe.yaml")):
        place = f"published/{study.parent.name}/index.md"
        links = [
            (_run_title(path), os.path.relpath(goal, Path(place).parent))
            for path, goal in site.published.items()
            if study.parent in path.parents
        ]
        site.write(place, published_page(study.parent, links, site.figure(place), site.target(place, REPOSITORY)))
        sections["Experiments"].append((f"Published run: {study.parent.name}", place))
    site.nav += [{"Tutorials": [{title: place} for title, place in sections["Tutorials"]]}]
    site.nav += [{"Results": [{"All answers": "results/index.md"}, *result_links()]}]
    groups = {
        **{name: f"experiments/{folder}/" for folder, name in METHODS.items()},
        "Published runs": "published/",
    }
    site.nav += [{"Experiments": grouped(sections["Experiments"], groups)}]
    rooms = {room: f"library/{room}/" for room in ROOMS if (REPOSITORY / "nbs" / room).is_dir()}
    library = grouped(sections["Library"], {**rooms, "data": "library/data/"})
    site.nav += [{"Library": [{"All notebooks": "library/index.md"}, *library]}]


def with_numbers(
    notebook: dict,  # the overview
) -> dict:
    """Return a notebook whose placeholders are filled from the stored tables."""
    filler = Filler()
    cells = [
        {**cell, "source": [filler.fill("".join(cell["source"]), where="nbs/index.ipynb")]}
        if cell["cell_type"] == "markdown"
        else cell
        for cell in notebook["cells"]
    ]
    return {**notebook, "cells": cells}


def result_links() -> list[dict]:
    """Return the entries of the navigation for the pages of results: their questions."""
    return [{read_findings(study).question: f"results/{study.name}.md"} for study in studies()]


def grouped(
    pages: list[tuple[str, str]],  # titles and addresses
    groups: dict[str, str],  # title of a group: how the addresses of its pages begin
) -> list[dict]:
    """Return entries of the navigation: pages of no group first, then each group with its pages."""
    alone = [{title: place} for title, place in pages if not any(place.startswith(start) for start in groups.values())]
    inside = {
        name: [{title: place} for title, place in pages if place.startswith(start)] for name, start in groups.items()
    }
    return [*alone, *({name: found} for name, found in inside.items() if found)]


def add_reference(
    site: Site,  # the build
):
    """Write the pages of the reference, in the notebooks' order, and its table of names, room by room."""
    pages, rooms = [], {room: [] for room in ROOMS}
    for path, place in site.notebooks.items():
        exported = [
            line.split("default_exp")[1].strip()
            for cell in read_notebook(path)["cells"]
            for line in cell["source"]
            if line.startswith("#| default_exp")
        ]
        if not exported:
            continue
        address = module_address(exported[0])
        text, names = module_page(exported[0], os.path.relpath(place, Path(address).parent))
        site.write(address, text)
        pages.append((exported[0].rpartition(".")[2], address))
        rooms[exported[0].split(".")[0]].append((exported[0], names))
    site.write("api/index.md", overview_page({room: found for room, found in rooms.items() if found}))
    groups = {room: f"api/{room}/" for room in ROOMS if (REPOSITORY / "xicl_study" / room).is_dir()}
    site.nav.append({"Reference": [{"Overview": "api/index.md"}, *grouped(pages, groups)]})


def add_texts(
    site: Site,  # the build
):
    """Write the pages of recipes, cards and guides."""
    from xicl_study.files import read_json

    site.write("recipes.md", recipe_page(REPOSITORY / "xicl_study" / "recipes"))
    licences = sorted(path.name for path in (REPOSITORY / "data" / "licenses").iterdir())
    site.write(
        "cards/data.md",
        data_page(read_json(REPOSITORY / "data" / "manifest.json"), licences, site.target("cards/data.md", REPOSITORY)),
    )
    site.write("cards/models.md", model_page())
    for path, place in site.texts.items():
        site.write(place, change_links(path.read_text(encoding="utf-8"), site.target(place, path.parent)))
    pages = sorted((HERE / "pages").glob("*.md"))
    guides = sorted(pages, key=lambda path: GUIDES.index(path.stem) if path.stem in GUIDES else len(GUIDES))
    titles = [{path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "): site.texts[path]} for path in guides]
    site.nav += [
        {
            "Recipes and cards": [
                {"Recipes": "recipes.md"},
                {"Data cards": "cards/data.md"},
                {"Model cards": "cards/models.md"},
                {"How the data were made": "project/data.md"},
            ]
        },
        {"Guides": [*titles, {"Contributing": "project/contributing.md"}, {"Changelog": "project/changelog.md"}]},
    ]


def build(
    folder: Path,  # gets `pages/`, `mkdocs.yml` and `site/`
) -> Path:
    """Build the site and return its folder. Raises `SystemExit` on a dead link or a failed build."""
    import yaml

    shutil.rmtree(folder / "pages", ignore_errors=True)
    site = Site(folder / "pages")
    site.nav.append({"Home": "index.md"})
    for step in (add_notebooks, add_reference, add_texts):
        step(site)
    shutil.copytree(HERE / "assets", site.pages / "assets")
    settings = {
        "INHERIT": os.path.relpath(HERE / "mkdocs.yml", folder),
        "docs_dir": "pages",
        "site_dir": "site",
        "nav": site.nav,
        "hooks": [os.path.relpath(HERE / "hooks.py", folder)],
    }
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(folder / "mkdocs.yml")]
    if subprocess.run(command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}).returncode:
        raise SystemExit("MkDocs could not build the site, see above.")
    return folder / "site"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=REPOSITORY / "_docs", help="where the site is built (default: _docs)"
    )
    print(f"The site: {build(parser.parse_args().folder.resolve()) / 'index.html'}")
