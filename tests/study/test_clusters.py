"""Jobs that a plugin of Snakemake runs elsewhere. No model is needed, so each run takes seconds."""

import os
from pathlib import Path
import pytest
from xicl_study.errors import StudyError
from toy_studies import run, xicl


ELSEWHERE = """
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    queue: Optional[str] = field(default=None, metadata={"help": "file that names every job", "required": True})

common_settings = CommonSettings(non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False)

class Executor(RemoteExecutor):
    def __post_init__(self): self._next_seconds_between_status_checks = 0.2
    def run_job(self, job):
        with Path(self.workflow.executor_settings.queue).open("a") as queue: queue.write(job.name + "\\n")
        process = subprocess.Popen(self.format_job_exec(job), shell=True)
        self.report_job_submission(SubmittedJobInfo(job, aux={"process": process}))
    async def check_active_jobs(self, active_jobs):
        for job in active_jobs:
            self._next_seconds_between_status_checks = 0.2
            code = job.aux["process"].poll()
            if code is None: yield job
            elif code: self.report_job_error(job)
            else: self.report_job_success(job)
    def cancel_jobs(self, active_jobs):
        for job in active_jobs: job.aux["process"].kill()
"""


def test_jobs_of_a_cluster(toy, tmp_path, monkeypatch):
    """A plugin of Snakemake that runs each job in another process, as SLURM's does: it gets its options, every job, and
    a job that fails.
    """
    (tmp_path / "plugins" / "snakemake_executor_plugin_elsewhere").mkdir(parents=True)
    (tmp_path / "plugins" / "snakemake_executor_plugin_elsewhere" / "__init__.py").write_text(
        ELSEWHERE, encoding="utf-8"
    )
    path = os.pathsep.join(filter(None, [str(tmp_path / "plugins"), os.environ.get("PYTHONPATH")]))

    def on_cluster(executor, **environment):
        options = ("--languages", "de,sw", "--output", "study", "--workers", "2", "--executor", executor)
        return xicl("run", "--recipe", str(toy), *options, PYTHONPATH=path, **environment)

    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    monkeypatch.setenv("PYTHONPATH", path)
    for executor, message in (
        (
            "nowhere",
            (
                "The executor 'nowhere' is not installed; installed are elsewhere, local. Install it: pip install"
                " snakemake-executor-plugin-nowhere"
            ),
        ),
        ("elsewhere", "The options of the executor 'elsewhere' are not right"),
        ("elsewhere --elsewhere-speed 3", "unrecognized arguments: --elsewhere-speed 3"),
        ("local --quick", "takes no options"),
        ("elsewhere 'x", "is no name with options behind it"),
        ("", "is no name with options behind it"),
    ):
        with pytest.raises(StudyError) as caught:
            run(toy, executor=executor)
        assert message in str(caught.value) and "\n" not in str(caught.value)
    failed = on_cluster(f"elsewhere --elsewhere-queue {tmp_path / 'queue'}", FAIL="sw")
    assert (
        failed.returncode == 1
        and "evaluate Swahili (sw), seed 0" in failed.stderr
        and (Path("study") / "runs/main_result/de/0/notebook.ipynb").is_file()
    ), failed
    whole = on_cluster(f"elsewhere --elsewhere-queue {tmp_path / 'queue'}")
    assert whole.returncode == 0 and (Path("study") / "report.html").is_file(), whole
    names = (tmp_path / "queue").read_text().split()
    assert (
        {"prepare", "train", "evaluate", "gather", "figures", "report"} == set(names)
        and names.count("train") == 1
        and names.count("evaluate") == 3
    )
