"""A study that is killed or interrupted. No model is needed, so each run takes seconds."""

import os, signal, subprocess, sys, time
from pathlib import Path
from xicl_study.study.status import is_running, run_status
from toy_studies import run, steps, times, xicl


def test_killed_run_goes_on_and_refuses_company(toy):
    command = [
        sys.executable,
        "-m",
        "xicl_study.cli",
        "run",
        "--recipe",
        str(toy),
        "--output",
        "study",
        "--workers",
        "2",
    ]
    process = subprocess.Popen(
        command, env={**os.environ, "SLOW": "ar"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    study, deadline = Path("study"), time.time() + 300
    while time.time() < deadline and not all(
        (study / f"runs/main_result/{code}/0/notebook.ipynb").is_file() for code in ("de", "sw", "hi")
    ):
        assert process.poll() is None
        time.sleep(0.2)
    while time.time() < deadline and not (study / "logs/progress/evaluate-ar-0.json").is_file():
        time.sleep(0.2)
    assert is_running(study) and "running" in {row["state"] for row in run_status(study)}
    second = xicl("run", "--recipe", str(toy), "--output", "study")
    assert second.returncode == 1 and second.stderr.count("\n") == 1 and "Another run is working on" in second.stderr
    before = times(study)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stale = study / "logs/progress/evaluate-hi-0.json"
    # as of a step that was killed, and does not run now
    stale.write_text('{"done": 1, "total": 3, "note": "items"}', encoding="utf-8")
    outcome = run(toy, output="study")
    assert not outcome.failures and outcome.report.is_file() and not stale.exists()
    assert steps(outcome) == ["evaluate Arabic (ar), seed 0", "gather", "figures", "report"]
    finished = {name: stamp for name, stamp in before.items() if "/ar/" not in name}
    assert finished and {name: times(study)[name] for name in finished} == finished, "what was finished is not touched"


def test_interrupt_ends_every_process(toy):
    command = [
        sys.executable,
        "-m",
        "xicl_study.cli",
        "run",
        "--recipe",
        str(toy),
        "--output",
        "study",
        "--languages",
        "ar",
    ]
    # A shell starts background jobs with SIGINT ignored, and children inherit that; the test wants a terminal's
    # behaviour.
    process = subprocess.Popen(
        command,
        env={**os.environ, "SLOW": "ar"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.time() + 300
    while time.time() < deadline and not Path("study/logs/progress/evaluate-ar-0.json").is_file():
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=90)
    assert process.returncode == 130 and "Traceback" not in text and "same command" in text
    assert not is_running("study") and not Path("study/runs/main_result/ar/0/predictions.parquet").exists()
