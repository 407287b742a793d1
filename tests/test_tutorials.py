"""The tutorials: each runs from top to bottom, teaches what it says, and checks its own exercises and quiz."""

import json, os, re, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
import nbformat, pytest
from nbclient import NotebookClient
from conftest import MACHINE_ROOTS, REPOSITORY

FOLDER = REPOSITORY / "nbs" / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.ipynb"))
WIDGETS = "application/vnd.jupyter.widget-view+json"
LIVE = ("2_kl_and_alignment", "7_reading_results")  # run as in JupyterLab; the others as for a page

# Appended to each tutorial: answers every question with every letter.
ANSWERS = """import json as _json
def _letters(question): return "abcdefgh"[:len(question.options)]
def _checks(question): return [question.check(letter) for letter in _letters(question)]
asked = [[question.text, question.mark, question.why, _checks(question)] for question in quiz.questions]
print("ANSWERS " + _json.dumps(asked))
first = quiz.questions[0]
right = next(letter for letter in _letters(first) if first.check(letter))
assert quiz.check(1, right) and 1 in quiz.right
assert not any(quiz.check(1, letter) for letter in _letters(first) if letter != right) and not quiz.right"""


def run(path, policy, widgets):
    """Run a notebook in a fresh kernel; return it with its outputs and the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(ANSWERS))
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | {
        "XICL_TUTORIAL_POLICY": policy,
        "XICL_WIDGETS": "on" if widgets else "off",
    }
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        allow_errors=True,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    started = time.perf_counter()
    client.execute(env=environment)
    return notebook, time.perf_counter() - started


@pytest.fixture(scope="module")
def executed():
    """All tutorials with the smoke model, two kernels side by side."""
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda path: run(path, "smoke", path.stem in LIVE), TUTORIALS)
    return {path.stem: notebook for path, (notebook, _) in zip(TUTORIALS, done)}


def outputs_of(notebook):
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            yield number, cell, output


def check_outputs(notebook):
    """Nothing failed, every letter was drawn, every picture says in words what it shows."""
    pictures = 0
    for number, _, output in outputs_of(notebook):
        assert output.output_type != "error", (
            f"cell {number}: {output.ename}: {output.evalue}\n"
            + re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.traceback))[-2000:]
        )
        if output.output_type == "stream":
            assert "missing from font" not in output.text and "MissingLetters" not in output.text, (
                f"cell {number}: {output.text}"
            )
        if "image/png" in output.get("data", {}):
            pictures += 1
            assert len(output.metadata.get("image/png", {}).get("alt", "")) > 30, (
                f"cell {number}: a picture without words for those who cannot see it"
            )
    return pictures


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_site_shows_each_as_it_is(path):
    sys.path.insert(0, str(REPOSITORY / "docs"))
    from run_tutorials import KEPT, is_current

    assert is_current(path, KEPT / path.name), "the tutorial was changed since it was run for the site: make tutorials"
    assert check_outputs(nbformat.read(KEPT / path.name, as_version=4)) >= 3
    text = (KEPT / path.name).read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    for root in (*MACHINE_ROOTS, "/tmp/", str(REPOSITORY)):
        assert root not in text, f"the outputs name {root}"


def test_a_tutorial_is_run_and_kept(tmp_path):
    command = [
        sys.executable,
        str(REPOSITORY / "docs" / "run_tutorials.py"),
        "--folder",
        str(tmp_path),
        "--policy",
        "smoke",
    ]
    done = subprocess.run([*command, "7"], capture_output=True, text=True, timeout=600)
    assert (
        done.returncode == 0
        and [path.name for path in tmp_path.iterdir()] == ["7_reading_results.ipynb"]
        and "1 run, 7 left" in done.stdout
    )
    assert check_outputs(nbformat.read(tmp_path / "7_reading_results.ipynb", as_version=4)) >= 3
    failed = subprocess.run([*command, "nine"], capture_output=True, text=True, timeout=60)
    assert failed.returncode == 1 and "There is no tutorial nine" in failed.stderr and "Traceback" not in failed.stderr


def test_there_are_eight():
    assert [path.stem.split("_")[0] for path in TUTORIALS] == list("12345678")


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_each_says_what_it_teaches(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    prose = "\n".join(text for cell, text in zip(cells, texts) if cell["cell_type"] == "markdown")
    assert texts[0].startswith(f"# {path.stem[0]} · ") and "\n> " in texts[0]
    goals = texts[1].split("**Time:**")[0]
    assert texts[1].startswith("## What you will learn") and len(re.findall(r"^- ", goals, re.M)) >= 3
    assert re.search(r"\*\*Time:\*\* .*(minute|second)", texts[1]) and "**Before you start:**" in texts[1]
    first_code = next(text for cell, text in zip(cells, texts) if cell["cell_type"] == "code")
    assert re.search(r'^# .+\npolicy = tutorial_policy\("(gemma3-270m|smoke)"\)$', first_code, re.M)
    exercises = [
        number for number, text in enumerate(texts) if cells[number]["cell_type"] == "markdown" and "*Try it*" in text
    ]
    assert len(exercises) >= 2 and "## Quiz" in prose
    for number in exercises:
        assert "= Exercise(" in texts[number + 1] or ".check(valid(" in texts[number + 1], (
            "the reader's cell follows the exercise"
        )
        solution = cells[number + 2]
        assert (
            solution["metadata"] == {"jupyter": {"source_hidden": True}, "tags": ["solution"]}
            and "".join(solution["source"]).startswith("#| hide\n")
            and "assert" in "".join(solution["source"])
        )
    assert cells[-1]["metadata"] == {"jupyter": {"source_hidden": True}, "tags": ["quiz"]} and texts[-1].startswith(
        "quiz = Quiz("
    )


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_what_only_draws_is_folded(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "new_figure(" in source and "#| hide" not in source:
            assert cell["metadata"] == {"jupyter": {"source_hidden": True}, "tags": ["drawing"]}, source[:200]


@pytest.mark.parametrize("name", [path.stem for path in TUTORIALS])
def test_each_runs(executed, name):
    pictures = check_outputs(executed[name])
    assert pictures >= 3, "pictures carry the weight"


@pytest.mark.parametrize("name", [path.stem for path in TUTORIALS])
def test_exercises_wait_for_the_reader_and_solutions_fit(executed, name):
    said = {
        number: "".join(output.text for output in cell.get("outputs", []) if output.output_type == "stream")
        for number, cell in enumerate(executed[name].cells)
    }
    for number, cell in enumerate(executed[name].cells):
        if cell.metadata.get("tags") != ["solution"]:
            continue
        assert "not yet" in said[number - 1], "an exercise that nobody solved says so"
        assert ": right, in " in said[number]


@pytest.mark.parametrize("name", [path.stem for path in TUTORIALS])
def test_quiz_takes_right_answers_and_refuses_wrong_ones(executed, name):
    quiz = executed[name].cells[-2]
    line = next(
        line
        for _, _, output in outputs_of(executed[name])
        if output.output_type == "stream"
        for line in output.text.splitlines()
        if line.startswith("ANSWERS ")
    )
    questions = json.loads(line.removeprefix("ANSWERS "))
    assert len(questions) >= 3 and all(sum(checks) == 1 for *_, checks in questions)
    data = quiz.outputs[-1].data
    assert (WIDGETS in data) == (name in LIVE)
    for text, mark, why, _ in questions:
        assert mark not in str(data) and (not why or why not in str(data)), "the page does not give the answer away"
        assert text in data["text/plain"]
    places = [checks.index(True) for *_, checks in questions]
    assert len(set(places)) > 1, "the right answer does not always stand in the same place"


def test_sliders_stand_beside_the_picture_they_move(executed):
    for name in LIVE:
        cells = [
            cell for cell in executed[name].cells if "\nexplore(" in cell.source or cell.source.startswith("explore(")
        ]
        assert len(cells) >= 1
        for cell in cells:
            assert (
                "image/png" in cell.outputs[0].data
                and WIDGETS in cell.outputs[1].data
                and "can be moved" in cell.outputs[1].data["text/html"]
            )


def test_a_page_has_pictures_with_words_and_questions_with_options(executed):
    from nbconvert import HTMLExporter  # of its templates, classic is the one that passes the words on

    page, _ = HTMLExporter(template_name="classic").from_notebook_node(executed["1_in_context_learning"])
    assert page.count("<img") >= 5 and "No description has been provided" not in page
    assert 'class="xicl-quiz"' in page and "Only the text that it reads" in page and "Live, these can be moved" in page


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_each_runs_with_the_embedded_model(path):
    from xicl_study.models.embedded import is_installed

    if not is_installed("gemma3-270m"):
        pytest.skip("gemma3-270m is not installed")
    notebook, seconds = run(path, "gemma3-270m", False)
    check_outputs(notebook)
    print(f"{path.stem}: {seconds:.0f} s with gemma3-270m")
