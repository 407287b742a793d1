"""JupyterLab as a student meets it: started by `make lab`, a notebook opened, run through the menu, figures seen."""

import contextlib, json, os, re, shutil, socket, subprocess, sys, time, urllib.request
from pathlib import Path
import pytest
from conftest import REPOSITORY

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
TOKEN = "for-the-test"


def first_tutorial():
    """The first tutorial, or the overview where there is none yet."""
    return next(
        iter(sorted((REPOSITORY / "nbs" / "tutorials").glob("1_*.ipynb"))),
        REPOSITORY / "nbs" / "tasks/01_languages.ipynb",
    ).relative_to(REPOSITORY)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def lab_ready(address, process, seconds=180):
    """Wait until the server answers; its output is in the error when it does not."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        assert process.poll() is None, "JupyterLab ended while starting"
        try:
            return json.load(urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=5))
        except OSError:
            time.sleep(0.5)
    raise AssertionError("JupyterLab did not answer in time")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start JupyterLab with the project's own command on a copy of the notebooks, in a home folder that is empty."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    folder = tmp_path_factory.mktemp("lab")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, folder / name)
    shutil.copytree(REPOSITORY / "nbs", folder / "nbs", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "outputs"))
    settings = folder / "home" / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # cells that are not in sight stay on the page
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}', encoding="utf-8")
    port = free_port()
    options = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={TOKEN} --allow-root"
    home = {
        "HOME": folder / "home",
        "JUPYTERLAB_SETTINGS_DIR": folder / "home" / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "home" / "workspaces",
        "JUPYTER_CONFIG_DIR": folder / "home" / "config",
        "JUPYTER_DATA_DIR": folder / "home" / "data",
        "PYTHONPATH": REPOSITORY,
    }
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
        **{name: str(path) for name, path in home.items()},
    }
    # -o: this environment stands already
    command = ["make", "lab", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.study", f"LAB={options}"]
    with open(folder / "lab.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            lab_ready(f"http://127.0.0.1:{port}", process)
            yield {"address": f"http://127.0.0.1:{port}", "folder": folder}
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)
            # make has ended; a server that asks whether it may must not stay behind
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)


def open_in_lab(page, lab, notebook):
    """Open a notebook in a workspace of its own, so that no other one comes back beside it, and wait until its kernel
    is ready.
    """
    page.goto(
        f"{lab['address']}/lab/workspaces/{notebook.stem}/tree/{notebook.as_posix()}?token={TOKEN}",
        wait_until="domcontentloaded",
        timeout=180_000,
    )
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=180_000)
    # before that, running asks for a kernel
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=180_000)


def run_all(page, seconds):
    """Run all cells through the menu and wait until the last code cell has its number."""
    page.click('.lm-MenuBar-itemLabel:text-is("Run")', timeout=60_000)
    page.click('.lm-Menu-itemLabel:text-is("Run All Cells")', timeout=60_000)
    done = """() => {
        const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputArea-prompt')];
        const prompts = cells.map(each => each.textContent.trim());
        const error = '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]';
        const failed = document.querySelector(error) !== null;
        return failed || prompts.length > 0 && prompts.every(text => /\\[\\d+\\]/.test(text));
    }"""
    page.wait_for_function(done, timeout=seconds * 1000, polling=1000)


def faults(page):
    """What a reader should not see: errors, warnings of missing glyphs, empty boxes."""
    from browser import missing_glyphs

    found = [
        each.inner_text()[-300:]
        for each in page.query_selector_all('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
    ]
    text = page.inner_text(".jp-Notebook")
    found += re.findall(r"[^\n]*(?:Traceback|missing from (?:current )?font)[^\n]*", text)
    boxes = missing_glyphs(page, ".jp-Notebook")
    return found + ([f"drawn as boxes: {''.join(boxes)}"] if boxes else [])


def test_lab_opens_on_the_overview_with_this_environments_kernel(lab, browser):
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(
            f"{lab['address']}/lab/tree/nbs/index.ipynb?token={TOKEN}", wait_until="domcontentloaded", timeout=180_000
        )
        page.wait_for_selector(".jp-Notebook .jp-MarkdownCell h1", timeout=180_000)
        assert "xicl_study" in page.inner_text(".jp-Notebook")
    assert "nbs/index.ipynb" in (lab["folder"] / "lab.log").read_text(encoding="utf-8"), (
        "the address that it prints opens the overview"
    )
    kernels = json.load(urllib.request.urlopen(f"{lab['address']}/api/kernelspecs?token={TOKEN}", timeout=30))[
        "kernelspecs"
    ]
    assert "python3" in kernels and not any((lab["folder"] / "home").rglob("kernel.json")), (
        "the kernel is the environment's; nothing is written to the home folder"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "notebook", [first_tutorial(), Path("nbs/experiments/closed_loop/02_main_result.ipynb")], ids=lambda path: path.stem
)
def test_notebook_runs_through_the_menu(lab, browser, notebook):
    with browser.new_context(viewport={"width": 1280, "height": 1400}) as context:
        page = context.new_page()
        open_in_lab(page, lab, notebook)
        run_all(page, 900)
        assert faults(page) == []
        if notebook.stem != "01_languages":
            assert page.query_selector_all(
                '.jp-OutputArea-output img[src^="data:image/png"], .jp-OutputArea-output svg'
            ), "figures are on the page"
        code = [
            cell
            for cell in json.loads((REPOSITORY / notebook).read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
        ]
        assert len(page.query_selector_all(".jp-Notebook .jp-CodeCell")) >= len(code)
