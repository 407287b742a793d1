"""A change that prepares again reaches every step. No model is needed, so each run takes seconds."""

from toy_studies import run, steps, times


def test_a_change_that_prepares_again_reaches_every_step_in_the_same_run(toy):
    folder = run(toy).folder
    before, change = times(folder), {"task": "udhr-topic"}
    expected = [
        "prepare",
        "train, seed 0",
        *sorted(f"evaluate {name}, seed 0" for name in ("Arabic (ar)", "German (de)", "Hindi (hi)", "Swahili (sw)")),
        "gather",
        "figures",
        "report",
    ]
    ordered = lambda outcome: [steps(outcome)[:2], sorted(steps(outcome)[2:6]), steps(outcome)[6:]]
    wanted = [expected[:2], expected[2:6], expected[6:]]
    assert ordered(run(toy, overrides=change, dry_run=True)) == wanted and times(folder) == before
    assert ordered(run(toy, overrides=change)) == wanted
    assert all(times(folder)[path] > before[path] for path in before)
    assert run(toy, overrides=change).planned == [] and run(toy, overrides=change, dry_run=True).planned == []
