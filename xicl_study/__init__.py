"""Cross-lingual in-context learning where the model teaches itself: the names that most people need.

    import xicl_study as xs
    policy = xs.Policy.load("smoke")

A name is loaded when it is first asked for, so that the import costs nothing. Everything else is in the rooms below:
`xicl_study.tasks`, `models`, `inference`, `evaluation`, `closed_loop`, `croco`, `report`, `human_evaluation`, `study`.
"""

import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .closed_loop.selectors import demonstration_pool, make_selector
    from .croco.pairs import build_pairs
    from .errors import StudyError
    from .evaluation.statistics import paired_bootstrap
    from .inference.candidates import CandidateStore, generate_candidates
    from .inference.demonstrations import write_demonstrations
    from .inference.sampling import SamplingParameters, study_vocabulary
    from .inference.scoring import score_choices, score_texts
    from .models.policy import Policy
    from .recipe.recipe import load_recipe
    from .study.runner import run_study
    from .study.steps import read_results
    from .tasks.load_instructions import load_instructions
    from .tasks.languages import language
    from .tasks.load_task import load_task
    from .tasks.prompts import Demonstration, answer_prompt, seed_demonstrations, template_of

# What a name leads to when it is asked for; the imports above say the same to editors and type checkers.
_PLACES = {
    "CandidateStore": "inference.candidates",
    "Demonstration": "tasks.prompts",
    "Policy": "models.policy",
    "SamplingParameters": "inference.sampling",
    "StudyError": "errors",
    "answer_prompt": "tasks.prompts",
    "build_pairs": "croco.pairs",
    "demonstration_pool": "closed_loop.selectors",
    "generate_candidates": "inference.candidates",
    "language": "tasks.languages",
    "load_instructions": "tasks.load_instructions",
    "load_recipe": "recipe.recipe",
    "load_task": "tasks.load_task",
    "make_selector": "closed_loop.selectors",
    "paired_bootstrap": "evaluation.statistics",
    "read_results": "study.steps",
    "run_study": "study.runner",
    "score_choices": "inference.scoring",
    "score_texts": "inference.scoring",
    "seed_demonstrations": "tasks.prompts",
    "study_vocabulary": "inference.sampling",
    "template_of": "tasks.prompts",
    "write_demonstrations": "inference.demonstrations",
}

__all__ = [
    "CandidateStore",
    "Demonstration",
    "Policy",
    "SamplingParameters",
    "StudyError",
    "answer_prompt",
    "build_pairs",
    "demonstration_pool",
    "generate_candidates",
    "language",
    "load_instructions",
    "load_recipe",
    "load_task",
    "make_selector",
    "paired_bootstrap",
    "read_results",
    "run_study",
    "score_choices",
    "score_texts",
    "seed_demonstrations",
    "study_vocabulary",
    "template_of",
    "write_demonstrations",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'xicl_study' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"xicl_study.{_PLACES[name]}"), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _MovedModules:
    """Says where a module of version 0.1.0 is now, to whoever imports it under its old name."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if not name.startswith("xicl_study."):
            return
        from .moved import moved_line, names_wanted

        line = moved_line(name.removeprefix("xicl_study."), names_wanted(name))
        if line:
            raise ModuleNotFoundError(line)


sys.meta_path.append(_MovedModules)  # last: it is asked only about what nobody else has found
