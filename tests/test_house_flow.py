"""The house: rooms on floors, no import upwards or in a circle, one name for one thing. Nothing is imported here."""

import ast, json, re
from collections import defaultdict
from pathlib import Path
from conftest import REPOSITORY

PACKAGE = REPOSITORY / "xicl_study"

# A module imports from its own room and from rooms above it in this list; rooms of one line do not know each other.
FLOORS = (
    ("errors", "moved"),
    ("files", "fingerprints"),
    ("source_code",),
    ("tasks",),
    ("models",),
    ("recipe",),
    ("inference",),
    ("evaluation", "training"),
    ("closed_loop", "croco"),
    ("report",),
    ("human_evaluation",),
    ("study", "terminal"),
    ("cli", "tutoring"),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def modules():
    """Dotted name without the package's -> syntax."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if not path.name.startswith("_"):
            found[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = ast.parse(path.read_text("utf-8"))
    return found


def imports(modules):
    """(module, module that it imports, names) of every import inside the package, those in functions too."""
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "xicl_study":
                        yield name, alias.name.partition(".")[2], []
            if not isinstance(node, ast.ImportFrom):
                continue
            parts = (node.module or "").split(".") if node.module else []
            if node.level:
                base = ".".join([*name.split(".")[: -node.level], *parts])
            elif parts[:1] == ["xicl_study"]:
                base = ".".join(parts[1:])
            else:
                continue
            if base in modules:
                yield name, base, [alias.name for alias in node.names]
                continue
            for alias in node.names:
                if alias.name != "__version__":
                    yield name, f"{base}.{alias.name}".strip("."), []


def test_imports_go_down_only():
    known = modules()
    room = lambda name: name.split(".")[0]
    assert {room(name) for name in known} == set(FLOOR_OF), "a new room gets its floor in FLOORS"
    wrong = []
    for name, target, _ in imports(known):
        assert target in known, f"{name} imports xicl_study.{target}, which does not exist"
        if room(name) != room(target) and FLOOR_OF[room(target)] >= FLOOR_OF[room(name)]:
            wrong.append(f"{name} -> {target}")
    assert wrong == []


def test_no_module_imports_itself_through_others():
    known, graph = modules(), defaultdict(set)
    for name, target, _ in imports(known):
        graph[name].add(target)
    done, circles = set(), []

    def visit(name, path):
        if name in path:
            circles.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for target in sorted(graph[name]):
                visit(target, [*path, name])
            done.add(name)

    for name in known:
        visit(name, [])
    assert circles == []


def test_no_private_name_leaves_its_module():
    taken = [
        f"{name} takes {each} from {target}"
        for name, target, names in imports(modules())
        for each in names
        if each.startswith("_") and not each.startswith("__")
    ]
    assert taken == []


def test_a_public_name_means_one_thing():
    places = defaultdict(list)
    for name, tree in modules().items():
        if name == "cli":
            continue  # its functions are called as its commands are
        for node in tree.body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(node, ast.Assign):
                names = [part.id for part in node.targets if isinstance(part, ast.Name)]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            for each in names:
                if not each.startswith("_"):
                    places[each].append(name)
    twice = {each: where for each, where in places.items() if len(where) > 1}
    assert twice == {}


def test_notebooks_are_numbered_as_their_modules_are_named():
    for path in sorted((REPOSITORY / "nbs").rglob("*.ipynb")):
        inside = path.relative_to(REPOSITORY / "nbs")
        if {"tutorials", "data", ".ipynb_checkpoints"} & set(inside.parts) or path.name == "index.ipynb":
            continue
        assert re.fullmatch(r"\d\d_[a-z][a-z0-9_]*\.ipynb", path.name), f"{inside} has no number of two digits"
        if inside.parts[0] == "experiments":
            continue
        module = ".".join([*inside.parts[:-1], path.stem[3:]])
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        exports = [line for cell in cells for line in cell["source"] if line.startswith("#| default_exp")]
        assert [line.split()[-1] for line in exports] == [module], f"{inside} exports another module"
    rooms = [REPOSITORY / "nbs" / folder.name for folder in PACKAGE.iterdir() if folder.is_dir()]
    for folder in [REPOSITORY / "nbs", *rooms]:
        numbers = [path.name[:2] for path in folder.glob("[0-9]*.ipynb")]
        assert len(numbers) == len(set(numbers)), f"two notebooks of {Path(folder).name} have one number"
