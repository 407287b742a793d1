"""One page per module: each exported name with its signature, its sentence, and the table of its parameters."""

import dataclasses, html, importlib, inspect, re


def annotation_text(
    annotation,  # a type, or a text that stands for one
) -> str:
    """Return a type as it is written in the source, without the names of modules."""
    if annotation in (inspect.Parameter.empty, None, dataclasses.MISSING):
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])", "", text)


def default_text(
    default,  # a parameter's default, or a constant
    length: int = 60,  # characters that are shown
) -> str:
    """Return a default as text, short, and empty when there is none."""
    if default is inspect.Parameter.empty or default is dataclasses.MISSING:
        return ""
    if inspect.isroutine(default) or inspect.isclass(default):
        return default.__name__
    text = repr(default)
    return "…" if " at 0x" in text else text if len(text) <= length else text[: length - 1] + "…"


def signature_text(
    name: str,  # how it is called
    called,  # a function or a class
) -> str:
    """Return a signature over as many lines as it needs."""
    try:
        signature = inspect.signature(called)
    except (ValueError, TypeError):
        return f"{name}(…)"
    shown, star = [], False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            shown, star = [*shown, "*"], True
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        kind, default = annotation_text(parameter.annotation), default_text(parameter.default)
        shown.append(mark + parameter.name + (f": {kind}" if kind else "") + (f" = {default}" if default else ""))
    result = annotation_text(signature.return_annotation) if inspect.isroutine(called) else ""
    line = f"{name}({', '.join(shown)})" + (f" -> {result}" if result else "")
    if len(line) <= 100:
        return line
    return f"{name}(\n    " + ",\n    ".join(shown) + ",\n)" + (f" -> {result}" if result else "")


def parameter_rows(
    called,  # a function, a method or a class
) -> list[tuple[str, str, str, str]]:
    """Return name, type, default and meaning of each parameter, as fastcore reads them from the source's comments."""
    from fastcore.docments import docments

    try:
        found = docments(called, full=True)
    except (TypeError, OSError, ValueError, SyntaxError):
        return []
    rows = []
    for name, facts in found.items():
        if name == "self" or name == "return" and not annotation_text(facts["anno"]):
            continue
        rows.append(
            (
                "returns" if name == "return" else name,
                annotation_text(facts["anno"]),
                default_text(facts["default"]),
                facts["docment"] or "",
            )
        )
    return rows


def inline(
    text: str,  # a docstring or a comment
) -> str:
    """Return text as HTML, with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def table(
    heads: tuple,  # titles of the columns
    rows: list,  # rows of HTML
    kind: str = "docments",  # class of the table
) -> str:
    """Return a table as HTML in one line, which Markdown leaves alone."""
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def described(
    name: str,  # how it is called
    called,  # a function, a method or a class
    level: int,  # of the heading
) -> list[str]:
    """Return the Markdown of one callable."""
    own = inspect.getdoc(called) or ""
    if inspect.isclass(called) and "__doc__" not in vars(called):
        own = ""
    # made by dataclass, says nothing new
    if dataclasses.is_dataclass(called) and own.startswith(f"{called.__name__}("):
        own = ""
    code = lambda text: f"<code>{html.escape(text)}</code>" if text else ""
    rows = [
        (code(each), code(kind), code(default), inline(meaning))
        for each, kind, default, meaning in parameter_rows(called)
    ]
    parts = [
        f"{'#' * level} {name.rpartition('.')[2] if level > 2 else name} {{ #{name} }}",
        "```python\n" + signature_text(name, called) + "\n```",
    ]
    if own:
        parts.append(f"<p>{inline(own)}</p>")
    if rows:
        parts.append(table(("parameter", "type", "default", "meaning"), rows))
    return parts


def module_address(
    name: str,  # a module of the package, "room.module"
) -> str:
    """Return the address of a module's page."""
    return f"api/{name.replace('.', '/')}.md"


def front_door() -> list[str]:
    """Return the Markdown of the names that the package itself gives, empty where it gives none."""
    package, rows = importlib.import_module("xicl_study"), []
    for name in getattr(package, "__all__", ()):
        module = getattr(getattr(package, name), "__module__", "").removeprefix("xicl_study.")
        address = module_address(module).removeprefix("api/")
        rows.append(f"| `xs.{name}` | [`{module}`]({address}#{name}) |" if module else f"| `xs.{name}` | |")
    return ["## import xicl_study as xs", "\n".join(["| name | from |", "|---|---|", *rows])] if rows else []


def overview_page(
    rooms: dict[str, list[tuple]],  # for each room its modules with their names
) -> str:
    """Return the page of all names, room by room, lowest first."""
    from house import ROOMS

    parts = ["# Reference", "Every module and what it exports; a room uses only those above it.", *front_door()]
    for room, modules in rooms.items():
        rows = []
        for module, names in modules:
            address = module_address(module).removeprefix("api/")
            links = ", ".join(f"[`{name}`]({address}#{name})" for name in names)
            rows.append(f"| [`{module}`]({address}) | {links} |")
        parts += [f"## {room}", f"{ROOMS[room]}.", "\n".join(["| module | names |", "|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def module_page(
    name: str,  # a module of the package
    notebook: str,  # address of its notebook's page
) -> tuple[str, list[str]]:
    """Return the page of a module, and the names on it."""
    module = importlib.import_module(f"xicl_study.{name}")
    parts = [
        f"# {name}",
        f"<p>{inline((module.__doc__ or '').strip())}.</p>",
        f"`from xicl_study.{name} import …` · [why and how, with examples: the notebook]({notebook})",
    ]
    for each in module.__all__:
        found = getattr(module, each)
        if inspect.isclass(found):
            parts += described(each, found, 2)
            for method, function in vars(found).items():
                function = getattr(function, "__func__", function)
                if not method.startswith("_") and inspect.isfunction(function) and function.__doc__:
                    parts += described(f"{each}.{method}", function, 3)
        elif callable(found) and hasattr(found, "__name__"):
            parts += described(each, found, 2)
        else:
            parts += [f"## {each} {{ #{each} }}", "```python\n" + f"{each} = {default_text(found, 400)}" + "\n```"]
    return "\n\n".join(parts) + "\n", list(module.__all__)
