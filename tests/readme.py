"""README.md is the twin of nbs/index.ipynb, and nbs/README.md lists the notebooks: both written here by `make readme`.

A placeholder in the notebook is filled from the stored tables (docs/findings.py). tests/drift.py compares.
"""

import json, re, sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "docs"))
NOTE = "<!-- Written from nbs/index.ipynb by `make readme`; edit that. -->"
LIST_NOTE = "<!-- Written from the notebooks by `make readme`. -->"


def cells_of(
    notebook: Path,  # an .ipynb file
) -> list[tuple[str, str]]:
    """Return (kind, source) of each cell."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in found]


def readme_text(
    notebook: Path = REPOSITORY / "nbs" / "index.ipynb",  # the overview
) -> str:
    """Return the README: Markdown with its numbers, code cells fenced, links made relative to the repository's top."""
    from findings import Filler

    parts = [NOTE]
    for kind, text in cells_of(notebook):
        if text and not text.startswith("#| hide"):
            parts.append(text if kind == "markdown" else f"```python\n{text}\n```")

    # Links in the notebook are relative to nbs/; in the README, to the folder above.
    def link(match):
        target = match[2]
        if re.match(r"[a-z]+:|#|/", target):
            return match[0]
        return f"{match[1]}({target.removeprefix('../') if target.startswith('../') else 'nbs/' + target})"

    text = Filler().fill("\n\n".join(parts), where="nbs/index.ipynb")
    return re.sub(r"(\[[^\]]*\])\(([^)\s]+)\)", link, text) + "\n"


def list_text(
    folder: Path = REPOSITORY / "nbs",  # the notebooks
) -> str:
    """Return the list of notebooks, room by room, each with the line below its title."""
    from house import ROOMS

    rooms: dict[str, list[str]] = {name: [] for name in ("", *ROOMS, "data", "experiments", "tutorials")}
    for path in sorted(folder.rglob("*.ipynb")):
        place = path.relative_to(folder)
        if path.name == "index.ipynb" or ".ipynb_checkpoints" in place.parts:
            continue
        first = cells_of(path)[0][1]
        title = re.sub(r"^# +", "", first.splitlines()[0])
        quote = re.search(r"^> (.+)$", first, re.MULTILINE)
        room = place.parts[0] if len(place.parts) > 1 else ""
        rooms[room].append(
            f"| [{place.with_suffix('').as_posix()}]({place.as_posix()}) | {title} | {quote[1] if quote else ''} |"
        )
    parts = [LIST_NOTE, "# The notebooks", "Each library notebook is one module; a room uses only those above it."]
    for room, rows in rooms.items():
        if rows:
            about = f"{room}: {ROOMS[room]}" if room in ROOMS else room
            parts.append(
                "\n".join(
                    [
                        f"## {about or 'Ground floor and top'}",
                        "",
                        "| notebook | title | what for |",
                        "|---|---|---|",
                        *rows,
                    ]
                )
            )
    return "\n\n".join(parts) + "\n"


def texts() -> dict[Path, str]:
    """Return what is written, by its path."""
    return {REPOSITORY / "README.md": readme_text(), REPOSITORY / "nbs" / "README.md": list_text()}


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
