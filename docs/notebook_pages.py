"""Turn notebooks into pages of the site: Markdown as it stands, code, outputs, and figures as files of their own."""

import base64, html, json, re
from collections.abc import Callable
from pathlib import Path

DIRECTIVE = re.compile(r"^#\|.*\n?", re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"(```.*?```|~~~.*?~~~|`[^`\n]+`)", re.DOTALL)


def read_notebook(
    path: Path,  # an .ipynb file
) -> dict:
    """Read a notebook as JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def has_outputs(
    notebook: dict,  # a notebook
) -> bool:
    """Tell whether a notebook was run and its outputs kept."""
    return any(cell.get("outputs") for cell in notebook["cells"])


def title_of(
    notebook: dict,  # a notebook
    otherwise: str,  # used when it has no heading
) -> str:
    """Return the first heading of a notebook."""
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        for line in "".join(cell["source"]).splitlines():
            if line.startswith("# "):
                return line[2:].strip()
    return otherwise


def change_links(
    text: str,  # Markdown
    target: Callable[[str], str],  # gives the new target of a link
) -> str:
    """Change the targets of links, outside of code."""
    return "".join(
        part if number % 2 else LINK.sub(lambda match: match[1] + target(match[2]) + match[3], part)
        for number, part in enumerate(FENCE.split(text))
    )


def fenced(
    text: str,  # code or output
    language: str = "",  # for the colours
) -> str:
    """Return a block of code, however many backticks it holds."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{ticks}{language or 'text'}\n{text.rstrip()}\n{ticks}"


def plain_html(
    text: str,  # HTML that a cell printed
) -> str:
    """Return HTML in one piece without styles, scripts and identifiers, which would clash with the page's own."""
    text = re.sub(r"<(style|script)\b.*?</\1>", "", text, flags=re.DOTALL | re.IGNORECASE)
    text = re.sub(r"""\s(?:id|border|on\w+)=(?:"[^"]*"|'[^']*')""", "", text)
    text = re.sub(r'class="[^"]*"', "", text)
    text = re.sub(r"<th\b[^>]*>(?:\s|&nbsp;)*</th>", "<td></td>", text)  # the corner of a table heads nothing
    return " ".join(text.split("\n")).strip()


def _joined(value):
    return "".join(value) if isinstance(value, list) else str(value)


def output_page(
    output: dict,  # one output of a cell
    heading: str,  # the section it stands in: what a figure without a text of its own shows
    figure: Callable[[bytes, str], str],  # keeps an image and returns its address
) -> str:
    """Return an output as Markdown or HTML, or an empty text when it shows nothing."""
    kind = output["output_type"]
    if kind == "stream":
        text = re.sub(r"\x1b\[[0-9;]*m", "", _joined(output["text"])).strip("\n")
        return fenced(text) if text.strip() and output.get("name") == "stdout" else ""
    if kind == "error":
        return fenced(f"{output['ename']}: {output['evalue']}")
    data, facts = output.get("data", {}), output.get("metadata", {})
    for name, ending in (("image/png", "png"), ("image/jpeg", "jpg")):
        if name in data:
            alt = facts.get("alt") or (facts.get(name) or {}).get("alt") or f"Figure of the section “{heading}”"
            return (
                f'<img src="{figure(base64.b64decode(_joined(data[name])), ending)}"'
                f' alt="{html.escape(alt, quote=True)}" loading="lazy">'
            )
    if "image/svg+xml" in data:
        return (
            f'<img src="{figure(_joined(data["image/svg+xml"]).encode(), "svg")}"'
            f' alt="{html.escape(f"Figure of the section “{heading}”", quote=True)}" loading="lazy">'
        )
    if "text/markdown" in data:
        return _joined(data["text/markdown"])
    if "text/html" in data:
        return plain_html(_joined(data["text/html"]))
    text = _joined(data.get("text/plain", "")).strip()
    return fenced(text) if text and "application/vnd.jupyter.widget-view+json" not in data and text != "None" else ""


def in_fold(
    title: str,  # what is folded
    kind: str,  # of admonition
    block: list[str],  # Markdown
) -> list[str]:
    """Return Markdown that the reader opens with a click."""
    inside = ("\n".join("    " + line if line else "" for line in text.splitlines()) for text in block)
    return [f'??? {kind} "{title}"', *inside]


def notebook_page(
    notebook: dict,  # a notebook, run or not
    figure: Callable[[bytes, str], str],  # keeps an image and returns its address
    target: Callable[[str], str],  # gives the new target of a link
    before: str = "",  # Markdown that goes below the title
) -> str:
    """Return a notebook as a page.

    A hidden cell below an exercise is its solution, folded; other hidden cells are left out. Of a cell that JupyterLab
    folds (drawings, the quiz) the page shows the output and folds the code.
    """
    parts, heading, exercise = [], "", False
    for cell in notebook["cells"]:
        source = _joined(cell["source"]).strip("\n")
        if not source.strip():
            continue
        if cell["cell_type"] != "code":
            exercise = "*Try it" in source or "**Try it" in source
            heading = next(
                (line.lstrip("# ") for line in reversed(source.splitlines()) if line.startswith("#")), heading
            )
            parts.append(change_links(source, target))
            if before:
                parts, before = [*parts, before], ""
            continue
        hidden, code = bool(re.search(r"^#\|\s*hide\b", source, re.MULTILINE)), DIRECTIVE.sub("", source).strip("\n")
        if hidden and not exercise or not code.strip():
            continue
        folded = bool(cell["metadata"].get("jupyter", {}).get("source_hidden")) and not hidden
        shown = [text for text in (output_page(output, heading, figure) for output in cell.get("outputs", [])) if text]
        output = ["\n".join(['<div class="output" markdown>', "", "\n\n".join(shown), "", "</div>"])] if shown else []
        if hidden:
            parts.extend(in_fold("Solution", "tip", [fenced(code, "python"), *output]))
        elif folded:
            title = "How it is drawn" if "drawing" in cell["metadata"].get("tags", []) else "The code of this cell"
            parts.extend([*output, *in_fold(title, "note", [fenced(code, "python")])])
        else:
            parts.extend([fenced(code, "python"), *output])
    return "\n\n".join(parts) + "\n"
