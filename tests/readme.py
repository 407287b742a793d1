"""README.md is the twin of nbs/index.ipynb: written here, compared in tests/drift.py."""

import json, re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def readme_text(
    notebook: Path = REPOSITORY / "nbs" / "index.ipynb",  # the overview
) -> str:
    """Return the README: Markdown cells as they are, code cells fenced, links made relative to the repository's top."""
    parts = ["<!-- Written from nbs/index.ipynb by `make readme`; edit that. -->"]
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"]).strip()
        if not text or text.startswith("#| hide"):
            continue
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")

    # Links in the notebook are relative to nbs/; in the README, to the folder above.
    def link(match):
        target = match[2]
        if re.match(r"[a-z]+:|#|/", target):
            return match[0]
        return f"{match[1]}({target.removeprefix('../') if target.startswith('../') else 'nbs/' + target})"

    return re.sub(r"(\[[^\]]*\])\(([^)\s]+)\)", link, "\n\n".join(parts)) + "\n"


if __name__ == "__main__":
    (REPOSITORY / "README.md").write_text(readme_text(), encoding="utf-8")
