"""Progress bars in a notebook: shown while it runs, and still there when papermill has written it."""

from conftest import write_notebook


def test_a_bar_survives_papermill(tmp_path):
    import nbformat
    from xicl_study.study.notebooks import execute_notebook

    write_notebook(
        tmp_path / "long.ipynb",
        [
            "steps: int = 1  # steps",
            """from xicl_study.study.progress import report_progress
for done in range(steps + 1): report_progress(done, steps, "training")""",
        ],
    )
    execute_notebook(tmp_path / "long.ipynb", tmp_path / "done.ipynb", {"steps": 40}, tmp_path / "log.ipynb", tmp_path)
    outputs = [
        output
        for cell in nbformat.read(tmp_path / "done.ipynb", 4).cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "display_data"
    ]
    assert len(outputs) == 1, "one bar, replaced and not repeated"
    assert "40/40" in outputs[0].data["text/html"] and "training" in outputs[0].data["text/plain"]
    assert "widget" not in str(outputs[0].data), "it can be read without a kernel"
