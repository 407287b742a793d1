"""How the house stands: rooms, cells, functions, names. `make house` prints it, tests/test_house.py holds it.

python tests/house.py                    the working tree
python tests/house.py e1036d1 .          a git revision beside it
"""

import argparse, ast, collections, io, json, re, subprocess, tarfile, tempfile, tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
# Lowest first. A module imports from its own room and from rooms above its own in this list, save for STRANGERS.
ROOMS = {
    "errors": "errors that say what to do",
    "files": "files that are whole or absent",
    "fingerprints": "short names that change when values, files or code do",
    "moved": "where the modules of version 0.1.0 are now",
    "source_code": "what a definition depends on, found in the code",
    "tasks": "what is asked: languages, tasks, prompts",
    "models": "who answers: policies, adapters, encoders",
    "recipe": "everything that a study can be told",
    "inference": "rows, scoring, sampling, demonstrations, answers, candidates",
    "evaluation": "statistics, metrics, results, judges",
    "training": "one training life",
    "closed_loop": "losses, rewards, the objective, the loop",
    "croco": "pairs, reward models, preference tuning",
    "report": "fonts, figures, findings, pages",
    "human_evaluation": "sheets, ratings, their tables and report",
    "study": "plan, steps, reuse, the runner",
    "terminal": "what the command line reads and prints",
    "cli": "the command xicl",
    "tutoring": "questions, exercises and sliders of the tutorials",
}
STRANGERS = {("closed_loop", "croco")}  # neither knows the other
CELL, LONG_CELL, BODY, SITE_LINE, README_BYTES = 40, 60, 40, 88, 9_000


@dataclass(frozen=True)
class House:
    """One state of the project: the files below a folder."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """Modules of the package by their dotted names, without the package's own."""
        package = self.root / "xicl_study"
        return {
            ".".join(path.relative_to(package).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
            for path in sorted(package.rglob("*.py"))
            if path.name not in ("__init__.py", "_modidx.py")
        }

    def source(
        self,
        module: str,  # its dotted name
    ) -> str:
        """Return a module's text."""
        return (self.root / "xicl_study" / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")

    @cached_property
    def imports(self) -> list[tuple[str, str, str]]:
        """(module, module that it imports from, name) of all imports inside the package, those in functions too."""
        found = []
        for module, tree in self.modules.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (base := self.imported(module, node)) is not None:
                    for alias in node.names:
                        inner = f"{base}.{alias.name}".strip(".")
                        found.append((module, inner if inner in self.modules else base, alias.name))
        return found

    def imported(
        self,
        module: str,  # that imports
        node: ast.ImportFrom,  # the statement
    ) -> str | None:
        """Return the module or room that an import names, None where it is not of this package."""
        if node.level:
            above = module.split(".")[: -node.level]
            return ".".join([*above, *([node.module] if node.module else [])])
        name = node.module or ""
        return name.removeprefix("xicl_study").lstrip(".") if name.split(".")[0] == "xicl_study" else None

    @cached_property
    def edges(self) -> dict[str, set[str]]:
        """Modules that each module imports from."""
        found = {module: set() for module in self.modules}
        for module, base, _ in self.imports:
            if base in self.modules and base != module:
                found[module].add(base)
        return found

    @cached_property
    def room_edges(self) -> dict[str, set[str]]:
        """Rooms that each room imports from; a module of the flat package is a room of its own."""
        found = collections.defaultdict(set)
        for module, bases in self.edges.items():
            found[room_of(module)] |= {room_of(base) for base in bases} - {room_of(module)}
        return found

    def upward_edges(self) -> list[str]:
        """Return the imports that go up the house, or to a room that must not be known."""
        place = {name: number for number, name in enumerate(ROOMS)}
        wrong = []
        for module, bases in self.edges.items():
            for base in bases:
                here, there = room_of(module), room_of(base)
                stranger = (here, there) in STRANGERS or (there, here) in STRANGERS
                if here in place and there in place and (place[there] > place[here] or stranger):
                    wrong.append(f"{module} imports {base}")
        return sorted(wrong)

    def circles(self) -> list[str]:
        """Return the circles of imports, each once."""
        state, found = {}, []

        def visit(module, path):
            if state.get(module) == "open":
                found.append(" → ".join([*path[path.index(module) :], module]))
            if module in state:
                return
            state[module] = "open"
            for base in sorted(self.edges[module]):
                visit(base, [*path, module])
            state[module] = "done"

        for module in self.modules:
            visit(module, [])
        return found

    def private_imports(self) -> list[str]:
        """Return the private names that a module takes from another one."""
        return [
            f"{module} imports {base}.{name}"
            for module, base, name in self.imports
            if name.startswith("_") and not name.startswith("__")
        ]

    def doubled_names(self) -> list[str]:
        """Return the public names that two modules define."""
        where = collections.defaultdict(set)
        for module, tree in self.modules.items():
            for name in top_names(tree):
                where[name].add(module)
        return [f"{name}: {', '.join(sorted(found))}" for name, found in sorted(where.items()) if len(found) > 1]

    @cached_property
    def functions(self) -> list[tuple[str, int, bool]]:
        """(name, lines of the body, whether a comment says why it is long) of every function."""
        found = []
        for module, tree in self.modules.items():
            lines = self.source(module).splitlines()
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found.append((f"{module}.{node.name}", *body_lines(node, lines)))
        return found

    def long_bodies(self) -> list[str]:
        """Return the functions whose body is long without a comment that says why."""
        return [f"{name}: {length} lines" for name, length, why in self.functions if length > BODY and not why]

    @cached_property
    def notebooks(self) -> list[Path]:
        """All notebooks below nbs/."""
        return [path for path in sorted((self.root / "nbs").rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]

    @cached_property
    def export_cells(self) -> list[tuple[str, int]]:
        """(notebook, lines) of every exported cell."""
        return [
            (path.relative_to(self.root / "nbs").as_posix(), len(source.splitlines()) - 1)
            for path in self.notebooks
            for source in code_cells(path)
            if re.match(r"#\|\s*exporti?\b", source)
        ]

    def long_cells(self) -> list[str]:
        """Return the exported cells that nobody sees whole."""
        return [f"{name}: {length} lines" for name, length in self.export_cells if length > LONG_CELL]

    def wide_lines(self) -> list[str]:
        """Return the code lines that the site cuts: tutorials, experiments, README, index, guides."""
        found = [
            f"{path.relative_to(self.root / 'nbs').as_posix()}: {line.strip()[:60]}"
            for path in self.notebooks
            if path.parent.parts[len(self.root.parts) + 1 :][:1] in (("tutorials",), ("experiments",))
            for source in [*code_cells(path), *fences(markdown_of(path))]
            for line in source.splitlines()
            if len(line) > SITE_LINE
        ]
        texts = [self.root / "README.md", *sorted((self.root / "docs" / "pages").glob("*.md"))]
        for path in texts:
            for block in fences(path.read_text(encoding="utf-8")):
                found += [f"{path.name}: {line.strip()[:60]}" for line in block.splitlines() if len(line) > SITE_LINE]
        return found

    def unused(self) -> list[str]:
        """Return the definitions that nothing uses: neither the package nor experiments, tutorials, docs or benchmarks.

        Cells and tests that show a definition are no use of it. `[tool.vulture]` in pyproject.toml says what is kept.
        """
        from vulture import Vulture

        settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["vulture"]
        judge = Vulture(ignore_names=settings["ignore_names"], ignore_decorators=settings["ignore_decorators"])
        for module in self.modules:
            judge.scan(without_all(self.source(module)), module)
        door = self.root / "xicl_study" / "__init__.py"
        judge.scan(door.read_text(encoding="utf-8") if door.is_file() else "", door.name)  # what users get is used
        for path in self.notebooks:
            if path.parent.name in ("tutorials", "data") or "experiments" in path.parts:
                judge.scan("\n".join(plain_code(source) for source in code_cells(path)), path.name)
        for folder in ("docs", "benchmarks"):
            for path in sorted((self.root / folder).glob("*.py")):
                judge.scan(path.read_text(encoding="utf-8"), path.name)
        for path in sorted((self.root / "docs" / "pages").glob("*.md")):
            judge.scan(
                "\n".join(re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)), path.name
            )
        found = judge.get_unused_code(min_confidence=settings["min_confidence"])
        # an attribute is most often set on an object of another library, which reads it; imports are ruff's to find
        other = ("attribute", "import")
        mine = [item for item in found if str(item.filename) in self.modules and item.typ not in other]
        return sorted(f"{item.filename}.{item.name} ({item.typ})" for item in mine)


def room_of(
    module: str,  # its dotted name
) -> str:
    """Return the room of a module."""
    return module.split(".")[0]


def code_cells(
    path: Path,  # a notebook
) -> list[str]:
    """Return the source of a notebook's code cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def markdown_of(
    path: Path,  # a notebook
) -> str:
    """Return the Markdown of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def fences(
    text: str,  # Markdown
) -> list[str]:
    """Return the blocks of code in a text."""
    return re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def plain_code(
    source: str,  # of a cell
) -> str:
    """Return a cell without what only IPython reads."""
    return re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)


def without_all(
    source: str,  # of a module
) -> str:
    """Return a module without its list of exported names, which would count as a use of each."""
    return re.sub(r"^__all__ = \[.*?\]$", "", source, flags=re.DOTALL | re.MULTILINE)


def top_names(
    tree: ast.Module,  # a module
) -> set[str]:
    """Return the public names that a module defines."""
    names = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def body_lines(
    node: ast.FunctionDef | ast.AsyncFunctionDef,  # a function
    lines: list[str],  # of its module
) -> tuple[int, bool]:
    """Return the length of a body without signature and docstring, and whether a comment says why it is long.

    That comment stands right above the function, or is the first line of its body.
    """
    first = node.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    statements = node.body[1:] if documented else node.body
    if not statements:
        return 0, False
    start = first.end_lineno if documented else first.lineno - 1  # lines before the body
    while not documented and start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    top = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    inside = next((line.strip() for line in lines[start : node.end_lineno] if line.strip()), "")
    above = lines[top - 2].strip() if top > 1 else ""
    reason = inside.startswith("#") or above.startswith("#") and not above.startswith("# %%")
    return node.end_lineno - start, reason


def measures(
    house: House,  # a state of the project
) -> dict[str, str]:
    """Return what is printed, line by line."""
    lengths = [length for _, length in house.export_cells]
    lines = {module: house.source(module).splitlines() for module in house.modules}
    longest = max(lines, key=lambda module: len(lines[module]))
    bodies = max(house.functions, key=lambda function: function[1])
    rooms = {room_of(module) for module in house.modules}
    flat = not any("." in module for module in house.modules)
    try:
        unused = str(len(house.unused()))
    except ImportError:
        unused = "vulture is not installed"
    return {
        "rooms": "none, flat" if flat else str(len(rooms)),
        "modules": str(len(lines)),
        "lines a module, mean": f"{sum(map(len, lines.values())) / len(lines):.0f}",
        "longest module": f"{len(lines[longest])} ({longest})",
        "edges between modules": str(sum(map(len, house.edges.values()))),
        "edges between rooms": "–" if flat else str(sum(map(len, house.room_edges.values()))),
        "edges that go up": "–" if flat else str(len(house.upward_edges())),
        "circles": str(len(house.circles())),
        "notebooks": str(len(house.notebooks)),
        "export cells": str(len(lengths)),
        f"… of at most {CELL} lines": f"{100 * sum(length <= CELL for length in lengths) / len(lengths):.1f} %",
        f"… over {LONG_CELL} lines": str(len(house.long_cells())),
        "longest export cell": str(max(lengths)),
        "functions": str(len(house.functions)),
        f"bodies over {BODY} lines, no why": str(len(house.long_bodies())),
        "longest body": f"{bodies[1]} ({bodies[0]})",
        "longest line of the package": str(
            max(len(line) for text in lines.values() for line in text if "__all__" not in line)
        ),
        f"code lines over {SITE_LINE} on the site": str(len(house.wide_lines())),
        "README, bytes": f"{len((house.root / 'README.md').read_bytes()):,}",
        "public names defined twice": str(len(house.doubled_names())),
        "private names imported": str(len(house.private_imports())),
        "unused definitions": unused,
    }


def details(
    house: House,  # a state of the project
) -> list[str]:
    """Return each thing that is wrong, with its place."""
    checks = {
        "goes up": house.upward_edges,
        "circle": house.circles,
        "private": house.private_imports,
        "twice": house.doubled_names,
        "long cell": house.long_cells,
        "long body": house.long_bodies,
        "cut on the site": house.wide_lines,
        "unused": house.unused,
    }
    return [f"{name}: {line}" for name, check in checks.items() for line in check()]


def graph(
    house: House,  # a state of the project
) -> list[str]:
    """Return the rooms with what each imports from, lowest first."""
    modules = collections.Counter(room_of(module) for module in house.modules)
    place = {name: number for number, name in enumerate(ROOMS)}
    by_floor = lambda names: sorted(names, key=lambda name: (place.get(name, len(place)), name))
    return [
        f"{room} ({modules[room]}) ← {', '.join(by_floor(house.room_edges[room])) or 'nothing'}"
        for room in by_floor(modules)
    ]


def opened(
    place: str,  # a folder, or a git revision
    scratch: Path,  # an empty folder
) -> House:
    """Return the house at a folder or a revision. Raises `SystemExit` when it is neither."""
    if Path(place).is_dir():
        return House(Path(place).resolve())
    command = ["git", "archive", place, "xicl_study", "nbs", "docs", "benchmarks", "README.md"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{place} is neither a folder nor a git revision: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(scratch, filter="data")
    return House(scratch)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", default=["."], help="folders or git revisions (default: this folder)")
    parser.add_argument("--details", action="store_true", help="also what is wrong with the last one, with its place")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        houses = [opened(place, Path(scratch) / str(number)) for number, place in enumerate(given.places)]
        columns = [measures(house) for house in houses]
        print("\n".join(graph(houses[-1])), "\n")
        for name in ("", *columns[0]):
            values = [column[name] for column in columns] if name else given.places
            print(f"{name:34}" + "".join(f"{value:40}" for value in values).rstrip())
        if given.details:
            print("\n" + "\n".join(details(houses[-1])))
