"""What the smoke recipes gave once, and what they give now: a change of the code that is none of the results.

`python tests/same_results.py FOLDER` stores the tables of FOLDER/smoke and FOLDER/croco-smoke, two finished studies, as
what is expected from now on. Do that after a change that is meant to change results, and say so in the commit.
"""

import json, platform, sys
from pathlib import Path
import numpy as np
import pandas as pd
import torch

STORED = Path(__file__).resolve().parent / "study" / "expected"
# file of a table -> the files of a study that it is made of
TABLES = {
    "smoke": {
        "predictions": "runs/main_result/*/0/predictions.parquet",
        "results": "results.parquet",
        "comparisons": "comparisons.parquet",
    },
    "croco-smoke": {
        "candidates": "candidates/*.parquet",
        "pools": "runs/croco_candidates/*/0/pool.parquet",
        "answers": "runs/croco_answers/*/0/answers.parquet",
        "losses": "runs/croco_answers/*/0/losses.parquet",
        "results": "results.parquet",
    },
}
# Names of weights hold their last bits, and so do the keys of what they have written.
WEIGHT_NAMES = ("key", "policy")
# These depend on what trained systems drew, and a draw is seeded by its key.
DRAWN_METRICS = ("win_rate", "length_controlled_win_rate", "answer_language_share", "verdicts_left_out")
TOLERANCE = 1e-4


def processor() -> dict[str, str]:
    """Return what decides over the last bits of a product of matrices."""
    facts = {"machine": platform.machine(), "instructions": torch.backends.cpu.get_cpu_capability()}
    try:
        lines = [line.split(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return facts | {"model": platform.processor(), "torch": torch.__version__}
    known = {line[0].strip(): line[1].strip() for line in reversed(lines) if len(line) == 2}
    model = ", ".join(known.get(name, "") for name in ("vendor_id", "cpu family", "model"))
    return facts | {"model": model, "torch": torch.__version__}


def study_table(name: str, files: list[Path]) -> pd.DataFrame:
    """Return a table of a study without the seconds that it took, in an order of its own."""
    table = pd.concat([pd.read_parquet(path) for path in sorted(files)], ignore_index=True)
    table = table.drop(columns=[column for column in table if column == "seconds"])
    if "metric" in table:
        # ranks came later, and say no more than the means that are compared
        table = table[(table.metric != "seconds") & ~table.metric.str.endswith("_rank")]
    return (table.sort_values("key") if name == "candidates" else table).reset_index(drop=True)


def study_tables(recipe: str, folder: Path) -> dict[str, pd.DataFrame]:
    """Return the tables of a study that are there."""
    found = {name: list(folder.glob(pattern)) for name, pattern in TABLES[recipe].items()}
    return {name: study_table(name, files) for name, files in found.items() if files}


def elsewhere(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return what must be the same on any processor: without names of weights and without what depends on them."""
    if name == "candidates":
        return table.iloc[:0]
    table = table.drop(columns=[column for column in table if column in WEIGHT_NAMES])
    if name == "answers":
        return table[(table.part != "open") | (table.system == "base")]
    if name == "results":
        return table[~table.metric.str.startswith(DRAWN_METRICS)]
    return table


def same_column(one: pd.Series, other: pd.Series, exact: bool) -> bool:
    """Tell whether two columns hold the same: texts and counts exactly, floats exactly or within the tolerance."""
    values = [column.tolist() for column in (one, other)]
    if values[0] and isinstance(values[0][0], np.ndarray) and values[0][0].dtype.kind == "f":
        if [len(row) for row in values[0]] != [len(row) for row in values[1]]:
            return False
        values = [np.concatenate(rows) for rows in values]
    elif one.dtype.kind != "f":
        plain = [json.dumps(rows, default=lambda item: item.tolist(), ensure_ascii=False) for rows in values]
        return plain[0] == plain[1]
    numbers = [np.asarray(rows, dtype=float) for rows in values]
    if exact:
        return np.array_equal(*numbers, equal_nan=True)
    return np.allclose(*numbers, rtol=0, atol=TOLERANCE, equal_nan=True)


def differences(recipe: str, tables: dict[str, pd.DataFrame]) -> list[str]:
    """Return a line for each column of some tables that is not what was stored; none when all is the same."""
    exact, lines = processor() == json.loads((STORED / "processor.json").read_text(encoding="utf-8")), []
    for name, table in tables.items():
        stored = pd.read_parquet(STORED / recipe / f"{name}.parquet")
        if not exact:
            table, stored = elsewhere(name, table), elsewhere(name, stored)
        if list(table.columns) != list(stored.columns) or len(table) != len(stored):
            lines.append(f"{recipe}, {name}: {table.shape} {list(table)}, stored {stored.shape} {list(stored)}")
            continue
        wrong = [column for column in table if not same_column(table[column], stored[column], exact)]
        lines += [f"{recipe}, {name}: the column {column} differs" for column in wrong]
    return lines


def store(folder: Path):
    """Store the tables of two finished studies, and the processor that they were made on."""
    for recipe in TABLES:
        for name, table in study_tables(recipe, folder / recipe).items():
            (STORED / recipe).mkdir(parents=True, exist_ok=True)
            table.to_parquet(STORED / recipe / f"{name}.parquet", index=False, compression="zstd")
    (STORED / "processor.json").write_text(json.dumps(processor(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    store(Path(sys.argv[1]))
