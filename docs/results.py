"""Write docs/results/: one page for each published study, and the picture of README: `make results`.

A page is made of `findings.md` beside the published run, whose numbers are placeholders (docs/findings.py says which
there are), and of the stored tables. Above its title a `findings.md` has a header: `figure`, a file in `figures/`, and
`tables`, the titles of those that are shown unfolded.
"""

import json, os, re, sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
import yaml
from findings import PUBLISHED, Filler, FindingsError, in_form
from notebook_pages import change_links

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PICTURE = RESULTS / "overview.png"
NOTE = "<!-- Written by `make results` from outputs/published/{}: edit findings.md there. -->"
HEADINGS = ["What was asked", "What was found", "How sure, and what would not be seen"]
LONGEST = 60  # rows of a table; a longer one is left to the command
FIRST = ("laptop-full", "laptop")  # then by name, the second method after the first


@dataclass(frozen=True)
class Findings:
    """What is written by hand beside a published run."""

    question: str  # the title
    answer: str  # one or two sentences
    body: str  # the sections, with placeholders
    figure: str  # a file in figures/
    tables: tuple[str, ...]  # titles of the tables that are shown


def read_findings(
    folder: Path,  # outputs/published/<study>
) -> Findings:
    """Read findings.md of a study. Raises `FindingsError` when it is missing or lacks a part."""
    path = folder / "findings.md"
    if not path.is_file():
        raise FindingsError(
            f"{folder.name} has no findings.md: write its question, answer and limits beside its tables"
        )
    text = path.read_text(encoding="utf-8")
    found = re.fullmatch(r"---\n(.*?)\n---\n+# ([^\n]+)\n\n(.+?)\n\n(## .*)", text, re.DOTALL)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    if not found or "\n\n" in found[3] or headings != HEADINGS:
        raise FindingsError(
            f"{folder.name}/findings.md is a header between lines of ---, a question as its title, an answer of one"
            f" paragraph, and the headings {', '.join(HEADINGS)}"
        )
    header = yaml.safe_load(found[1])
    return Findings(found[2], found[3], found[4].rstrip(), header["figure"], tuple(header["tables"]))


def studies() -> list[Path]:
    """Return the folders of all published studies, the main result first."""
    found = [path.parent for path in PUBLISHED.glob("*/results.parquet")]
    place = lambda folder: FIRST.index(folder.name) if folder.name in FIRST else len(FIRST)
    return sorted(found, key=lambda folder: (place(folder), folder.name.startswith("croco"), folder.name))


def table_blocks(
    folder: Path,  # outputs/published/<study>
) -> dict[str, str]:
    """Return the tables that `xicl report FOLDER --table` prints, by their titles."""
    from xicl_study.report.experiment_page import study_markdown

    parts = re.split(r"^\*\*(.+?)\*\*\n", study_markdown(folder), flags=re.MULTILINE)
    return {title: table.strip() for title, table in zip(parts[1::2], parts[2::2])}


def tables_part(
    folder: Path,  # outputs/published/<study>
    shown: tuple[str, ...],  # titles of those that are not folded
) -> str:
    """Return the tables of a page. Raises `FindingsError` when one that is to be shown does not exist."""
    blocks, parts = table_blocks(folder), []
    for title in shown:
        whole = next((known for known in blocks if known == title or known.startswith(f"{title}, n = ")), None)
        if whole is None:
            raise FindingsError(f"{folder.name} has no table {title!r}. It has: {', '.join(blocks)}")
        parts.append(f"**{whole}**\n\n{blocks.pop(whole)}")
    folded = {title: table for title, table in blocks.items() if table.count("\n") <= LONGEST}
    if folded:
        inside = "\n\n".join(f"**{title}**\n\n{table}" for title, table in folded.items())
        parts.append(f"<details markdown>\n<summary>More tables ({len(folded)})</summary>\n\n{inside}\n\n</details>")
    if long := [title for title in blocks if title not in folded]:
        parts.append(f"Printed by the command above, and too long for this page: {', '.join(long)}.")
    return "\n\n".join(parts)


def again_part(
    folder: Path,  # outputs/published/<study>
    filler: Filler,  # of its numbers
) -> str:
    """Return how a study is run again, what that took, and where its report lies."""
    study = filler.study(folder.name)
    recipe, environment = study.document("recipe.yaml"), study.document("environment.json")
    measured = study.document("measured.yaml")
    command = measured.get("command") or f"xicl run --recipe {recipe['name']}"
    report, published = f"../../outputs/published/{folder.name}/report.html", f"outputs/published/{folder.name}"
    return (
        f"```sh\n{command}\n"
        f"xicl report {published} --table    # the tables below, without a model\n```\n\n"
        f"It took {measured['cost']}. Made at commit `{environment['commit'][:12]}`; recipe, environment, executed"
        f" notebooks and figures lie in [{published}](../../{published}/recipe.yaml), the report of the run is"
        f" [report.html]({report})."
    )


def sentences(
    found,  # what a run wrote of its findings: texts, in lists or under names
) -> list[str]:
    """Return all texts, in order."""
    if isinstance(found, str):
        return [found]
    inside = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [text for each in inside for text in sentences(each)]


def run_part(
    folder: Path,  # outputs/published/<study>
) -> str:
    """Return what the run itself wrote of its findings, folded; empty when it wrote none."""
    parts = []
    for path in sorted(folder.glob("runs/*/*/*/findings.json")):
        said = sentences(json.loads(path.read_text(encoding="utf-8")))
        experiment = path.relative_to(folder / "runs").parts[0]
        parts.append(f"**{experiment}**\n\n" + "\n".join(f"- {line}" for line in said))
    if not parts:
        return ""
    inside = "\n\n".join(parts)
    return f"<details markdown>\n<summary>Every finding, as the run wrote it</summary>\n\n{inside}\n\n</details>\n\n"


def figure_part(
    folder: Path,  # outputs/published/<study>
    name: str,  # a file in its figures/
) -> str:
    """Return a stored figure with its text. Raises `FindingsError` when there is no such figure."""
    captions = json.loads((folder / "figures" / "captions.json").read_text(encoding="utf-8"))["figures"]
    found = next((each for each in captions if each["file"] == name), None)
    if found is None:
        raise FindingsError(f"{folder.name} has no figure {name}: {', '.join(each['file'] for each in captions)}")
    alt = re.sub(r"[\[\]\n]", " ", found["alt"])
    return f"![{alt}](../../outputs/published/{folder.name}/figures/{name})\n\n*{found['title']}*"


def study_page(
    folder: Path,  # outputs/published/<study>
    filler: Filler,  # of its numbers
) -> str:
    """Return the page of a study. Raises `FindingsError`."""
    findings = read_findings(folder)
    where = f"{folder.name}/findings.md"
    answer, body = (
        change_links(filler.fill(text, folder.name, where), lambda link: moved(link, folder))
        for text in (findings.answer, findings.body)
    )
    return (
        "\n\n".join(
            [
                NOTE.format(folder.name),
                f"# {findings.question}",
                f"**{answer.strip()}**",
                figure_part(folder, findings.figure),
                body,
                f"## Do it again\n\n{again_part(folder, filler)}",
                f"## Tables\n\n{run_part(folder)}{tables_part(folder, findings.tables)}",
            ]
        )
        + "\n"
    )


def moved(
    link: str,  # as findings.md has it
    folder: Path,  # where findings.md lies
) -> str:
    """Return a link as a page in docs/results/ has it."""
    if ":" in link or link.startswith("#"):
        return link
    path, _, anchor = link.partition("#")
    return os.path.relpath((folder / path).resolve(), RESULTS) + (f"#{anchor}" if anchor else "")


def index_page(
    filler: Filler,  # of all numbers
) -> str:
    """Return the overview: every question with its answer."""
    rows = []
    for folder in studies():
        findings = read_findings(folder)
        answer = filler.fill(findings.answer, folder.name, f"{folder.name}/findings.md")
        answer = " ".join(change_links(answer, lambda link, folder=folder: moved(link, folder)).split())
        rows.append(f"| [{findings.question}]({folder.name}.md) | {answer} | `{folder.name}` |")
    return "\n".join(
        [
            NOTE.format("*"),
            "# Results",
            "",
            "What was asked, what was found, and where the numbers come from. Every number on these pages is read from"
            " a stored table when the pages are made. Intervals are 95 % intervals; each page says what they cover.",
            "",
            "| question | answer | study |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def pages() -> dict[Path, str]:
    """Return every page of docs/results/ by its path. Raises `FindingsError`."""
    filler = Filler()
    made = {RESULTS / f"{folder.name}.md": study_page(folder, filler) for folder in studies()}
    return {RESULTS / "README.md": index_page(filler), **made}


ACCURACY = ("zero_shot", "self_generated", "bm25", "dense", "closed_loop", "sft")
CONTROLS = ("trained_no_demonstrations", "trained_random", "trained_dense")
INSTEAD = ("no demonstrations", "random ones", "retrieved ones")  # of CONTROLS


def picture_numbers() -> tuple[list, list]:
    """Return what the picture shows: (method, value, low, high) of accuracies, and of what the demonstrations add."""
    study = Filler().study("laptop-full")
    shown = [study.rows([name, "accuracy"]).iloc[0] for name in ACCURACY]
    added = [study.rows(["closed_loop", "minus", name, "accuracy"]).iloc[0] for name in CONTROLS]
    numbers = lambda names, rows: [
        (name, *(round(float(row[key]) * 100, 2) for key in ("value", "low", "high"))) for name, row in zip(names, rows)
    ]
    return numbers(ACCURACY, shown), numbers(CONTROLS, added)


def digest(
    numbers,  # of the picture
) -> str:
    """Return what the picture carries to tell which numbers it was drawn from."""
    return sha256(json.dumps(numbers).encode()).hexdigest()[:16]


def draw_picture(
    path: Path = PICTURE,  # PNG file to write
):
    """Draw accuracies beside what the demonstrations add to the trained policy."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo
    from xicl_study.recipe.method_table import method_of
    from xicl_study.report.style import GROUP_COLOURS, GROUP_MARKERS, new_figure, save_figure, use_style

    use_style()
    numbers = picture_numbers()
    study = Filler().study("laptop-full")
    languages = in_form(len(study.document("recipe.yaml")["languages"]), "word")
    chance = 100 * study.rows(["zero_shot", "chance", "de"]).value.iloc[0]
    figure, axes = new_figure(9.5, 2.9, 1, 2, width_ratios=(4, 3))
    left, right = axes[0]
    for panel, rows, titles in (
        (left, numbers[0], [method_of(name).title for name in ACCURACY]),
        (right, numbers[1], INSTEAD),
    ):
        for place, (name, value, low, high) in enumerate(rows):
            group = method_of(name).group
            panel.errorbar(
                value,
                -place,
                xerr=[[value - low], [high - value]],
                fmt=GROUP_MARKERS[group],
                color=GROUP_COLOURS[group],
                capsize=2.5,
            )
            panel.annotate(
                f"{value:.1f}".replace("-", "−"),
                (value, -place),
                (0, 7),
                textcoords="offset points",
                ha="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        panel.set_yticks([-place for place in range(len(rows))], titles)
        panel.set_ylim(-len(rows) + 0.5, 0.9)
    left.set(title=f"Accuracy, mean over {languages} languages", xlabel="per cent, with 95 % intervals", xlim=(0, 75))
    left.axvline(chance, color="#1D2733", linestyle=":", linewidth=1)
    left.annotate("chance", (chance, 1 - len(ACCURACY)), (3, -3), textcoords="offset points", fontsize=8)
    right.set(title="Closed loop minus\nthe same policy with …", xlabel="points")
    right.axvline(0, color="#1D2733", linewidth=1)
    right.set_xlim(-6, 6)
    save_figure(figure, path)
    facts = PngInfo()
    facts.add_text("numbers", digest(numbers))
    with Image.open(path) as picture:
        picture.load()
        picture.save(path, pnginfo=facts, optimize=True)


def picture_is_current(
    path: Path = PICTURE,  # the picture as it was drawn
) -> bool:
    """Tell whether the picture was drawn from the tables as they are."""
    from PIL import Image

    if not path.is_file():
        return False
    with Image.open(path) as picture:
        return picture.info.get("numbers") == digest(picture_numbers())


def changes() -> list[str]:
    """Return what in docs/results/ differs from what the tables give."""
    made = pages()
    found = [
        f"docs/results/{path.name} differs from the tables and findings.md: run make results"
        for path, text in made.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    found += [f"docs/results/{path.name} has no study: remove it" for path in RESULTS.glob("*.md") if path not in made]
    if not picture_is_current():
        found.append(f"docs/results/{PICTURE.name} was drawn from other numbers: run make results")
    return found


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"docs/results/{path.name}: {len(text.encode()) / 1000:.0f} KB")
    if not picture_is_current():
        draw_picture()
    sys.exit(bool(changes()))
