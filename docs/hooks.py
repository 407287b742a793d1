"""Changes to each page of the site.

Formulas become MathML, which browsers draw without a script; wide tables scroll in a frame of their own; the search box
gets a name.
"""

import html, re

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
TABLE = re.compile(r"<table(?P<attributes>[^>]*)>(?P<inside>.*?)</table>", re.DOTALL)


def mathml(
    match: re.Match,  # a formula as the Markdown extension writes it
) -> str:
    """Return a formula as MathML, with its LaTeX as the text that is read where MathML is not."""
    from latex2mathml.converter import convert

    tag, bracket, latex = match[1], match[2], html.unescape(match[3]).strip()
    made = convert(latex, display="block" if bracket == "[" else "inline").replace(
        "<math", f'<math alttext="{html.escape(latex)}"', 1
    )
    return (
        f'<{tag} class="formula">{made}</{tag}>'
        if bracket == "("
        else f'<{tag} class="formula" tabindex="0" role="group" aria-label="formula">{made}</{tag}>'
    )


def frame(
    match: re.Match,  # a table
) -> str:
    """Return a table inside a frame that scrolls, can be reached by keyboard, and has a name."""
    first = re.sub(r"<[^>]+>", " ", match["inside"]).split()
    name = html.escape("Table: " + " ".join(first[:6]), quote=True) if first else "Table"
    attributes = match["attributes"] if "class=" in match["attributes"] else match["attributes"] + ' class="grid"'
    return (
        '<div class="scroll" tabindex="0" role="group"'
        f' aria-label="{name}"><table{attributes}>{match["inside"]}</table></div>'
    )


def on_page_content(
    content: str,  # the page's HTML
    **_,  # page, configuration and files, which are not needed
) -> str:
    """Change the HTML of a page; MkDocs calls this by its name."""
    return TABLE.sub(frame, FORMULA.sub(mathml, content))


def on_post_page(
    output: str,  # the whole page
    **_,  # page and configuration, which are not needed
) -> str:
    """Give the search box a name for those who do not see it; MkDocs calls this by its name."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )
