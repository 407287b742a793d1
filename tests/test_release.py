"""A release, built and tried, and the checks that would stop a bad one."""

import pytest
import release

WHOLE = (
    """Metadata-Version: 2.4
Name: xicl-study
Version: 0.1.0
Summary: a study
License-Expression: Apache-2.0
Requires-Python: >=3.11
Description-Content-Type: text/markdown
Requires-Dist: numpy

"""
    + "text " * 200
)


@pytest.mark.parametrize(
    "change, problem",
    [
        (("Summary: a study\n", ""), "Summary is missing"),
        (("Version: 0.1.0", "Version: 0.1.1"), "the package says 0.1.0"),
        (("Version: 0.1.0", "Version: 1"), "no semantic version"),
        (("numpy", "numpy @ file:///numpy"), "no release"),
        (("text " * 200, "x"), "short"),
        (("text/markdown", "text/plain"), "not marked as Markdown"),
    ],
)
def test_bad_metadata_is_named(change, problem):
    assert release.metadata_problems(WHOLE, "0.1.0") == []
    assert any(problem in line for line in release.metadata_problems(WHOLE.replace(*change), "0.1.0"))


def test_the_version_is_named_alike_everywhere():
    assert release.version_problems() == []


@pytest.mark.slow
def test_a_release_can_be_built_and_used(tmp_path, capsys):
    release.main(tmp_path / "dist")
    made = sorted(path.suffix for path in (tmp_path / "dist").iterdir())
    assert made == [".gz", ".whl"] and "is built and tried; nothing was uploaded" in capsys.readouterr().out
