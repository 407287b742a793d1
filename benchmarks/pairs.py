"""Seconds and memory for preference pairs from many candidates.

    python benchmarks/pairs.py --candidates 1000000

Rewards are Gaussian, one in a hundred is missing, and one pool in ten has coarse rewards with many ties. The memory
is the peak of the process, the table of candidates included.
"""

import argparse, resource, sys, time
import numpy as np
import pandas as pd
from xicl_study.croco.pairs import build_pairs
from xicl_study.recipe.croco_settings import POOLS, RULES

LANGUAGES = ("da", "nl", "en", "fr", "de", "it", "es")


def make_candidates(n_candidates, per_pool, seed=0):
    """Return a table of candidates with keys as the store writes them."""
    random = np.random.default_rng(seed)
    pool = np.arange(n_candidates) // per_pool
    rewards = random.standard_normal(n_candidates)
    coarse = pool % 10 == 0
    rewards[coarse] = rewards[coarse].round()
    rewards[random.random(n_candidates) < 0.01] = np.nan
    keys = [f"{number:016x}" for number in random.permutation(n_candidates)]
    return pd.DataFrame(
        {
            "key": keys,
            "prompt_id": np.char.add("prompt-", (pool // len(LANGUAGES)).astype(str)),
            "language": np.array(LANGUAGES)[pool % len(LANGUAGES)],
            "reward": rewards,
        }
    )


def peak():
    """Return the peak memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=1_000_000, help="rows of the table")
    parser.add_argument("--per-pool", type=int, default=64, help="candidates per prompt and language")
    given = parser.parse_args()
    candidates = make_candidates(given.candidates, given.per_pool)
    print(f"{len(candidates):,} candidates; {peak():.2f} GB before the first pair", flush=True)
    for pool in POOLS:
        for rule in RULES:
            started = time.perf_counter()
            made = build_pairs(candidates, rule, pool)
            print(
                f"{pool:13} {rule:15} {time.perf_counter() - started:5.1f} s, {len(made.pairs):,} pairs,"
                f" {len(made.skipped):,} skipped, peak {peak():.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()
