"""Fill the numbers of a text from the stored tables of published studies.

A placeholder stands in braces and names a number, so that a rerun changes the text with the tables:

    {closed_loop.accuracy}                        method.metric: the value over all languages
    {closed_loop.accuracy.sw}                     … of one language (a code)
    {closed_loop.accuracy.sw.low}                 … a field: value (when none is named), low, high, n, interval
    {closed_loop.minus.dense.accuracy}            a paired difference, with the same languages and fields
    {"without answer loss".difference_to_full}    a name with spaces, dots or other signs stands in quotes
    {croco_tuning/base.chrf}                      experiment/method, where two experiments have such a row
    {recipe.training.steps}                       a value of recipe.yaml; so environment, measured
    {file "runs/a/all/0/metrics.json".kl.full}    a value of any JSON or YAML file of the study
    {count above 0 of max_r.chrf_vs_base}         number of languages whose interval lies above (below, around) a
                                                  number; of methods, where the method has a star: "α=*"
    {languages above 0 of max_r.chrf_vs_base}     their names
    {number of max_r.chrf_vs_base}                how many languages (methods, entries of a list) there are
    {lowest of "α=*".accuracy}                    and highest: over methods with a star, or over languages: .accuracy.*
    {ratio of grpo.seconds to dpo_budget.seconds} and difference: of two values that a table has side by side
    {holds max_r.chrf_vs_base.low > 0}            shows nothing; an error when it is not so: pins what words say
    {laptop-full: closed_loop.accuracy}           of another study
    {closed_loop.accuracy as percent.1}           a form: number, signed, percent, points (signed per cent), each with
                                                  its decimals; word, Word (five, Five)

`measured.yaml` beside a study holds what no table has, written by hand (minutes, memory): it names the commit it was
measured at, and is refused once the study was made at another.
"""

import json, operator, re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
import pandas as pd
import yaml

PUBLISHED = Path(__file__).resolve().parent.parent / "outputs" / "published"
PLACEHOLDER = re.compile(r"( ?)\{([^{}]*)\}")
CODE = re.compile(
    r"(```.*?```|`[^`\n]+`|(?<=\])\([^)\s]+\)|<!--.*?-->)", re.DOTALL
)  # and targets of links, and comments
# what is no number of ours: years, the level of the intervals, names (bf16, μ − 2σ)
UNCHECKED = re.compile(r"\b(?:19|20)\d\d\b|\b95\s?%|\b[^\W\d][\w-]*(?:\.\d+)*|2σ")
FIELDS = ("value", "low", "high", "n", "interval", "p_holm")
WORDS = "none one two three four five six seven eight nine ten eleven twelve".split()
SIGNS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
FORM = re.compile(r"(number|signed|percent|points|word|Word)(?:\.(\d))?")


class FindingsError(SystemExit):
    """A placeholder that the tables cannot fill, a claim that they do not hold, or a number that is no placeholder."""


def one_of(
    kind: str,  # "method", "metric", …
    name: str,  # as written
    known,  # what there is
    where: str,  # the study
) -> str:
    """Return a name that is known. Raises `FindingsError` with the nearest ones."""
    from difflib import get_close_matches

    known = [str(each) for each in dict.fromkeys(known)]
    if name not in known:
        near = get_close_matches(name, known, 6, 0.3) or known[:6]
        raise FindingsError(f"{where} has no {kind} {name!r}. Near are: {', '.join(near)}")
    return name


def segments(
    text: str,  # a path: names with dots between them, in quotes where they hold other signs
) -> list[str]:
    """Split a path into its names. Raises `FindingsError` when it cannot be read."""
    found = re.fullmatch(r'(?:"[^"]+"|[^\s".]+)(?:\.(?:"[^"]+"|[^\s".]+))*', text)
    if not found:
        raise FindingsError(
            f"{{{text}}} is no path: names with dots between them, in quotes where they hold other signs"
        )
    return [name.strip('"') for name in re.findall(r'"[^"]+"|[^\s".]+', text)]


@dataclass
class Study:
    """The stored tables of one published study."""

    folder: Path  # outputs/published/<study>
    used: set = field(default_factory=set)  # metrics that placeholders asked for

    @cached_property
    def results(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "results.parquet")

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """The paired differences, in the columns of the results; their method is "method minus baseline"."""
        path = self.folder / "comparisons.parquet"
        if not path.is_file():
            raise FindingsError(f"{self.folder.name} has no comparisons.parquet; its differences are metrics")
        found = pd.read_parquet(path)
        return found.assign(
            method=found.method + " minus " + found.baseline, value=found.difference, experiment="", k=0, seed="all"
        )

    def document(
        self,
        name: str,  # of a JSON or YAML file in the study's folder
    ):
        """Return a file's content. Raises `FindingsError` when it is missing, or was measured at another commit."""
        path = self.folder / name
        if not path.is_file():
            raise FindingsError(f"{self.folder.name} has no {name}")
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if name == "measured.yaml":
            made = self.document("environment.json").get("commit") or ""
            if not made.startswith(str(found.get("commit", "none"))):
                raise FindingsError(
                    f"{self.folder.name}/measured.yaml was written for the commit {found.get('commit')}, and the study"
                    f" was made at {made[:12]}: measure again, then change its numbers and its commit"
                )
        return found

    def rows(
        self,
        path: list[str],  # [experiment/]method, perhaps "minus" and a baseline, metric, perhaps a language; stars match
        languages: bool = False,  # each language where none is named, and not their mean
    ) -> pd.DataFrame:
        """Return the rows of a path. Raises `FindingsError` when there are none."""
        where, table, path = self.folder.name, self.results, list(path)
        experiment, _, path[0] = path[0].rpartition("/")
        if len(path) > 3 and path[1] == "minus":
            table, path = self.comparisons, [f"{path[0]} minus {path[2]}", *path[3:]]
        if len(path) not in (2, 3):
            raise FindingsError(f"{where}: {'.'.join(path)} is no method.metric, method.metric.language or .field")
        method, metric, language = (*path, None)[:3]
        if experiment:
            table = table[table.experiment == one_of("experiment", experiment, table.experiment, where)]
        table = table[table.metric == one_of("metric", metric, table.metric, where)]
        self.used.add(metric)
        if "*" not in method:
            one_of(f"method with {metric}", method, table.method, where)
        table = table[[fnmatchcase(name, method) for name in table.method]]
        if language == "*" or languages and language is None and "*" not in method:
            found = table[(table.language != "all") & ~table.language.str.contains("+", regex=False)]
        else:
            found = table[table.language == one_of("language", language or "all", table.language, where)]
        if found.empty:
            raise FindingsError(f"{where} has no row for {'.'.join(path)}")
        # the same value may stand in several experiments, in some without its interval
        found = found.sort_values("low", na_position="last", kind="stable")
        same = found[~found.assign(value=found.value.round(9)).duplicated(["method", "language", "value"])].sort_index()
        if same.duplicated(["method", "language"]).any():
            raise FindingsError(
                f"{where}: {'.'.join(path)} has several rows; put the experiment before it:"
                f" {' or '.join(f'{name}/{method}' for name in dict.fromkeys(same.experiment))}"
            )
        return same

    def number(
        self,
        text: str,  # a path, or a path in a file
    ):
        """Return what a path names: a number, a text, a list, or (low, high). Raises `FindingsError`."""
        if text.startswith("file "):
            text = text.removeprefix("file ").strip()
        path = segments(text)
        name = {"recipe": "recipe.yaml", "environment": "environment.json", "measured": "measured.yaml"}.get(path[0])
        if name or path[0].endswith((".json", ".yaml")):
            found = self.document(name or path[0])
            for key in path[1:]:
                keys = found if isinstance(found, dict) else ()
                found = found[one_of("value", key, keys, f"{self.folder.name}/{name or path[0]}")]
            return found
        wanted = path.pop() if path[-1] in FIELDS else "value"
        row = self.rows(path).iloc[0]
        return (row.low, row.high) if wanted == "interval" else row[wanted]


def in_form(
    value,  # a number, a text, or the two ends of an interval
    form: str,  # "percent.1"; empty: whole numbers as they are, others with two decimals
) -> str:
    """Return a value as it is written in a text. Raises `FindingsError` for a form that there is not."""
    if isinstance(value, tuple):
        return " to ".join(in_form(end, form) for end in value)
    if isinstance(value, str):
        return value
    found = FORM.fullmatch(form or "number")
    if not found:
        raise FindingsError(
            f"{form!r} is no form: number, signed, percent, points with decimals (percent.1), word or Word"
        )
    if pd.isna(value):
        raise FindingsError("the table holds no number there")
    name, whole = found[1], float(value).is_integer()
    if name in ("word", "Word"):
        if not whole or not 0 <= value < len(WORDS):
            return f"{value:,.0f}" if whole else f"{value:.2f}"
        return WORDS[int(value)].capitalize() if name == "Word" else WORDS[int(value)]
    scaled = value * 100 if name in ("percent", "points") else value
    decimals = int(found[2]) if found[2] else 0 if name in ("percent", "points") or whole else 2
    return f"{scaled:{'+' if name in ('signed', 'points') else ''},.{decimals}f}".replace("-", "−")


def listed(
    names: list[str],  # in order
) -> str:
    """Return names as a text lists them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def on_one_side(
    rows: pd.DataFrame,  # values with their intervals
    kind: str,  # "count" or "languages"
    side: str,  # above, below, around
    bound: str,  # a number
) -> int | str:
    """Return how many intervals lie on one side of a number, or the names of the languages whose interval does."""
    from xicl_study.tasks.languages import languages

    above, below = rows.low > float(bound), rows.high < float(bound)
    chosen = rows[{"above": above, "below": below, "around": ~above & ~below}[side]]
    if kind == "count":
        return len(chosen)
    return listed([languages()[code].name for code in chosen.language])


class Filler:
    """Fills texts from the studies below a folder, and knows what was asked of each."""

    def __init__(
        self,
        published: Path = PUBLISHED,  # has a folder for each study
    ):
        self.published, self.studies = published, {}

    def study(
        self,
        name: str,  # folder of a study
    ) -> Study:
        """Return a study's tables. Raises `FindingsError` when it is not published."""
        if name not in self.studies:
            known = [path.parent.name for path in sorted(self.published.glob("*/results.parquet"))]
            self.studies[name] = Study(self.published / one_of("study", name, known, "outputs/published"))
        return self.studies[name]

    def answer(
        self,
        text: str,  # inside the braces
        name: str,  # the study that is asked when it names none
    ) -> str:
        """Return what stands for a placeholder. Raises `FindingsError`."""
        asked, _, form = text.partition(" as ")
        if found := re.fullmatch(r"holds (.+) (>=|<=|>|<) (.+)", " ".join(asked.split())):
            left, right = self.value(found[1], name), self.value(found[3], name)
            if not SIGNS[found[2]](left, right):
                raise FindingsError(f"it is not so ({left:.4g} and {right:.4g}); write the text anew")
            return ""
        value = in_form(self.value(" ".join(asked.split()), name), form.strip())
        # an interval's end of −0 says on which side it lies; a value of −0 is nought
        return value.lstrip("−+") if re.fullmatch(r"[−+]0(\.0+)?", value) else value

    def value(
        self,
        asked: str,  # a path, or a word with the path that it is about
        name: str,  # the study that is asked when it names none
    ):
        """Return a number, a text, or the ends of an interval. Raises `FindingsError`."""
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", asked):
            return float(asked)
        if found := re.fullmatch(r"(ratio|difference) of (.+) to (.+)", asked):
            left, right = self.value(found[2], name), self.value(found[3], name)
            return left / right if found[1] == "ratio" else left - right
        if found := re.fullmatch(r"([\w-]+): (.+)", asked):
            name, asked = found[1], found[2]
        if not name:
            raise FindingsError(f"it names no study: {{laptop-full: {asked}}}")
        study = self.study(name)
        if found := re.fullmatch(r"(count|languages) (above|below|around) (\S+) of (.+)", asked):
            return on_one_side(study.rows(segments(found[4]), True), *found.groups()[:3])
        if found := re.fullmatch(r"number of (.+)", asked):
            inside = found[1].startswith(("recipe.", "file "))
            return len(study.number(found[1]) if inside else study.rows(segments(found[1]), True))
        if found := re.fullmatch(r"(lowest|highest) of (.+)", asked):
            values = study.rows(segments(found[2])).value
            return values.min() if found[1] == "lowest" else values.max()
        return study.number(asked)

    def fill(
        self,
        text: str,  # Markdown with placeholders
        name: str = "",  # the study that is asked where a placeholder names none
        where: str = "",  # the file, for errors
    ) -> str:
        """Return a text with its numbers. Raises `FindingsError` for an unknown placeholder and for a bare number."""

        def one(match):
            try:
                value = self.answer(match[2], name)
            except FindingsError as error:
                raise FindingsError(f"{where or name}: {{{match[2]}}}: {error}") from None
            return f"{match[1]}{value}" if value else ""

        blank = lambda match: " " * len(match[0])  # so that the rest stays in its place
        checked = UNCHECKED.sub(blank, PLACEHOLDER.sub(blank, CODE.sub(blank, text)))
        if found := re.search(r"\d(?:[\d.,]*\d)?", checked):
            line = text[text.rfind("\n", 0, found.start()) + 1 :].split("\n")[0].strip()
            raise FindingsError(
                f"{where or name}: the number {found[0]} in “{line[:80]}” is no placeholder; name it, so that a rerun"
                " changes it"
            )
        parts = CODE.split(text)  # code stands at the odd places
        return "".join(part if place % 2 else PLACEHOLDER.sub(one, part) for place, part in enumerate(parts))
