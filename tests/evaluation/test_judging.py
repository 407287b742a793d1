"""Judges that talk nonsense, time out or refuse, and tables that cannot be judged: one clear line, nothing lost."""

import http.server, json, threading, time
import numpy as np
import pandas as pd
import pytest
from xicl_study.evaluation import judges
from xicl_study.evaluation.endpoint_judge import Endpoint, EndpointJudge, parse_verdict
from xicl_study.evaluation.judges import (
    judge_answers,
    judge_prompt,
    JudgedPair,
    JudgeVerdict,
    PolicyJudge,
    RewardJudge,
    scored_prompt,
    TOO_LONG,
)
from xicl_study.evaluation.win_rates import fit_length_control, scaled_lengths, sigmoid, win_rates
from xicl_study.models.embedded import smoke_model
from xicl_study.models.policy import Policy
from xicl_study.errors import DataError, ModelError, RecipeError, ResourceError


class Server:
    """A stand-in for a language model behind an interface; `behave(number, text)` returns (status, headers, body) or
    raises.
    """

    def __init__(self):
        self.asked, self.behave = [], lambda number, text: (200, {}, self.says("[[A]]"))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"]
                outer.asked.append((self.path, text, dict(self.headers)))
                status, headers, body = outer.behave(len(outer.asked), text)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def says(text):
        return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("XICL_JUDGE_API_KEY", raising=False)
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


def endpoint_of(server, **given):
    return Endpoint(
        server.url,
        "stand-in",
        **{"timeout": 0.3, "attempts": 2, "back_off": 0.01, "parallel": 1, "failures_in_a_row": 3, **given},
    )


def questions(n, word="ya kwanza"):
    return [JudgedPair(f"Swali {number}", word, "ya pili", "sw") for number in range(n)]


def answers(n=6, **changed):
    return pd.DataFrame(
        {
            "item": range(n),
            "language": "sw",
            "prompt": [f"Swali {number}" for number in range(n)],
            "answer": "ndiyo",
            "baseline_answer": "hapana",
        }
    ).assign(**changed)


def test_nonsense_is_excluded_counted_and_not_asked_again(server, tmp_path):
    server.behave = lambda number, text: (
        200,
        {},
        server.says("[[A]] and also [[B]]" if "Swali 1\n" in text else "[[B]]"),
    )
    judge = EndpointJudge(endpoint_of(server), tmp_path)
    table = win_rates(judge_answers(judge, answers()))
    assert table.excluded[0] == 1 and table.n[0] == 5
    judge_answers(judge, answers())
    assert len(server.asked) == 6
    assert table.judge_kind[0] == "verdict of a language model behind an interface"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": null}]}', b"\xff\xfe"]
)
def test_a_reply_in_another_form_is_tried_again(server, tmp_path, body):
    server.behave = lambda number, text: (200, {}, body if number == 1 else server.says("[[A]]"))
    assert EndpointJudge(endpoint_of(server), tmp_path)(questions(1)) == [JudgeVerdict(1.0)]


def test_a_dead_judge_ends_in_one_line_and_the_replies_so_far_are_kept(server, tmp_path):
    server.behave = lambda number, text: (200, {}, server.says("[[A]]")) if number <= 2 else (503, {}, b"")
    judge = EndpointJudge(endpoint_of(server), tmp_path)
    with pytest.raises(ResourceError) as error:
        judge(questions(9))
    assert "does not answer (HTTP 503); 2 of 9 verdicts are kept" in str(error.value) and "\n" not in str(error.value)
    assert len(server.asked) == 2 + 3 * 2, "after three failures in a row nobody is asked any more"
    server.behave = lambda number, text: (200, {}, server.says("[[TIE]]"))
    before = len(server.asked)
    assert [verdict.first_wins for verdict in judge(questions(9))] == [1.0, 1.0] + [0.5] * 7
    assert len(server.asked) == before + 7


def test_a_slow_judge_times_out(server, tmp_path):
    def behave(number, text):
        if "Swali 0\n" in text:
            time.sleep(0.8)
        return 200, {}, server.says("[[A]]")

    server.behave = behave
    verdicts = EndpointJudge(endpoint_of(server), tmp_path)(questions(2))
    assert verdicts[0].reason == "no reply within 0.3 s" and verdicts[1] == JudgeVerdict(1.0)


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    judge = EndpointJudge(Endpoint("http://127.0.0.1:9/v1", "m", attempts=1), tmp_path)
    with pytest.raises(ResourceError) as error:
        judge(questions(2))
    assert "does not answer" in str(error.value) and "refused" in str(error.value)


@pytest.mark.parametrize(
    "status,advice",
    [
        (401, "XICL_JUDGE_API_KEY"),
        (403, "XICL_JUDGE_API_KEY"),
        (404, "model name"),
        (400, "length of the questions"),
        (302, "Check its url"),
    ],
)
def test_a_refusal_is_not_tried_again(server, tmp_path, monkeypatch, status, advice):
    monkeypatch.setenv("XICL_JUDGE_API_KEY", "sesame-4711")
    server.behave = lambda number, text: (status, {"Location": f"{server.url}/elsewhere"}, b"")
    with pytest.raises(ModelError) as error:
        EndpointJudge(endpoint_of(server), tmp_path)(questions(1))
    assert advice in str(error.value) and "sesame" not in str(error.value)
    assert len(server.asked) == 1 and server.asked[0][0] == "/v1/chat/completions", (
        "a redirect is not followed with the key"
    )


@pytest.mark.parametrize(
    "status,words",
    [
        (413, b""),
        (413, b"\xff"),
        (400, b'{"error": {"message": "Please reduce it.", "code": "context_length_exceeded"}}'),
        (422, b"Prompt is TOO LONG"),
        (400, b"This model's maximum context length is 4096 tokens. However, you requested 5000."),
        (400, b"too many tokens"),
        (400, b"Make sure that `max_model_len` is no smaller"),
        (
            400,
            (
                b'{"error": {"type": "exceed_context_size_error", "message": "request (4390 tokens) exceeds the'
                b' available context size"}}'
            ),
        ),
        (422, b"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048"),
    ],
)
def test_a_question_that_is_too_long_is_excluded_and_the_others_go_on(server, tmp_path, monkeypatch, status, words):
    monkeypatch.setenv("XICL_JUDGE_API_KEY", "sesame-4711")
    server.behave = lambda number, text: (
        (status, {}, words + b" sesame-4711")
        if "Swali 1\n" in text or "Swali 4\n" in text
        else (200, {}, server.says("[[B]]"))
    )
    judged = judge_answers(EndpointJudge(endpoint_of(server), tmp_path), answers())
    assert judged.reason.tolist() == ["", TOO_LONG, "", "", TOO_LONG, ""] and judged.score.isna().tolist() == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]
    assert win_rates(judged).excluded[0] == 2 and TOO_LONG == "too long for the judge"
    assert (
        not any("sesame" in path.read_text() for path in tmp_path.rglob("*.json"))
        and len(list(tmp_path.rglob("*.json"))) == 4
    )
    assert len(server.asked) == 6, "such a question is asked once"


def test_only_questions_that_are_too_long(server, tmp_path):
    server.behave = lambda number, text: (413, {}, b"")
    judged = judge_answers(EndpointJudge(endpoint_of(server), tmp_path), answers())
    assert len(server.asked) == 6 and judged.score.isna().all()
    with pytest.raises(DataError, match="No verdict of stand-in can be used .too long for the judge."):
        win_rates(judged)


def test_a_long_question_is_no_failure_in_a_row_and_hides_none(server, tmp_path):
    server.behave = lambda number, text: (413, {}, b"") if number % 2 else (200, {}, server.says("[[A]]"))
    assert [
        verdict.reason
        for verdict in EndpointJudge(endpoint_of(server, failures_in_a_row=1), tmp_path / "alive")(questions(6))
    ] == [TOO_LONG, ""] * 3
    server.behave = lambda number, text: (
        (413, {}, b"") if int(text.split("Swali ")[1].split("\n")[0]) % 2 else (503, {}, b"")
    )
    with pytest.raises(ResourceError, match=r"does not answer .HTTP 503.; 0 of 4 verdicts"):
        EndpointJudge(endpoint_of(server), tmp_path / "gone")(questions(4))


@pytest.mark.parametrize(
    "status,words",
    [
        (400, b'{"error": {"message": "The model `m` does not exist, sesame-4711"}}'),
        (422, b"Field required"),
        (400, b"\xff\xfe"),
        (404, b"context length"),
        (400, b" " * (1 << 17) + b"too long"),
        (422, None),
    ],
)
def test_any_other_refusal_still_stops(server, tmp_path, monkeypatch, status, words):
    monkeypatch.setenv("XICL_JUDGE_API_KEY", "sesame-4711")
    server.behave = lambda number, text: (
        status,
        {},
        json.dumps({"detail": [{"msg": "Field required", "input": text}]}).encode() if words is None else words,
    )
    with pytest.raises(ModelError) as error:
        EndpointJudge(endpoint_of(server), tmp_path)(questions(3, "Is this answer too long?"))
    assert (
        f"refuses with HTTP {status}. Check its url" in str(error.value)
        and "sesame" not in str(error.value)
        and "\n" not in str(error.value)
    )


def test_a_reply_that_is_no_http_is_tried_again_and_excluded(server, tmp_path):
    def garbled(number, text):
        # the handler's thread ends, and the connection with it: not even a status line arrives
        raise ConnectionAbortedError

    server.behave = garbled
    with pytest.raises(ResourceError, match="does not answer"):
        EndpointJudge(endpoint_of(server), tmp_path)(questions(2))
    assert len(server.asked) == 4, "each question is tried twice"


def pipeline_judge(judge, model, folder):
    """The judge as a recipe of the preference pipeline names it, and the verdicts on six answers of two systems."""
    from xicl_study.croco.results import judge_of, win_rows
    from xicl_study.recipe.croco_settings import croco_settings

    said = pd.DataFrame(
        [
            {
                "system": system,
                "part": "open",
                "language": "sw",
                "item": item,
                "number": 0,
                "prompt": f"Swali {item}",
                "answer": f"{system} {item}",
            }
            for system in ("base", "max_r")
            for item in range(6)
        ]
    )
    made = judge_of(
        croco_settings({"judge": judge, "judge_model": model}),
        folder,
        lambda: pytest.fail("the reward model must not judge"),
    )
    return win_rows(said, made, resamples=100)


def test_a_recipe_names_an_endpoint_and_what_it_cannot_say_is_counted(server, tmp_path):
    server.behave = lambda number, text: (200, {}, server.says("Hmm." if "Swali 3" in text else "[[A]]"))
    rows, judged = pipeline_judge(server.url, "stand-in", tmp_path)
    found = {row["metric"]: row for row in rows}
    assert (
        found["win_rate"]["n"] == 5
        and found["verdicts_left_out"]["value"] == 1
        and found["verdicts_left_out"]["n"] == 6
    )
    assert list(judged.reason[judged.score.isna()]) == ["unparseable"] and "reward-model preference" not in set(
        judged.judge_kind
    )
    assert pipeline_judge(server.url, "stand-in", tmp_path)[0] == rows and len(server.asked) == 6, (
        "its replies are kept in the study's folder"
    )


def test_a_recipe_names_a_policy_that_judges(tmp_path):
    rows, judged = pipeline_judge("policy", "smoke", tmp_path)
    assert (
        {row["metric"] for row in rows} == {"win_rate", "length_controlled_win_rate", "verdicts_left_out"}
        and judged.score.notna().all()
        and set(judged.judge) == {"smoke"}
    )


def test_a_refusal_that_breaks_off_still_stops(server, tmp_path):
    server.behave = lambda number, text: (400, {"Transfer-Encoding": "chunked"}, b"zz too long")
    with pytest.raises(ModelError, match="refuses with HTTP 400"):
        EndpointJudge(endpoint_of(server), tmp_path)(questions(1))


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "sesame-4711")
    judge = EndpointJudge(endpoint_of(server, key_variable="OTHER_KEY"), tmp_path)
    judge(questions(2))
    assert all(headers["Authorization"] == "Bearer sesame-4711" for _, _, headers in server.asked)
    assert not any(b"sesame" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "sesame" not in repr(judge.endpoint)


def test_the_cache_knows_content_not_order_and_survives_damage(server, tmp_path):
    judge = EndpointJudge(endpoint_of(server), tmp_path)
    judge(questions(4))
    judge(questions(4)[::-1])
    assert len(server.asked) == 4
    for path, text in zip(sorted(tmp_path.rglob("*.json")), ("", "[1]", '{"model": 1}', "\0")):
        path.write_text(text)
    assert judge(questions(4)) == [JudgeVerdict(1.0)] * 4 and len(server.asked) == 8
    judge(questions(1, "nyingine"))
    assert len(server.asked) == 9, "another answer is another question"


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://me:sesame@host/v1", "http://host/v1?key=sesame"]
)
def test_a_wrong_address(url):
    with pytest.raises(RecipeError) as error:
        Endpoint(url, "m")
    assert "sesame" not in str(error.value).replace("host/v1?key=sesame", "")


def test_numbers_of_the_endpoint():
    with pytest.raises(RecipeError):
        Endpoint("http://host/v1", "m", attempts=0)


@pytest.mark.parametrize("text", ["I prefer A", "[[D]]", "[A]B", "A or B", "[[A]] [[TIE]]", 7, None, ""])
def test_no_single_verdict(text):
    assert parse_verdict(text) is None


TURNS = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}{% if"
    " add_generation_prompt %}"
)


def lead_of(policy, question):
    """Return the lead of A over B that a policy sees, by bisection of the tie margin; negative where B wins."""
    low, high, sign = 0.0, 64.0, 1 if PolicyJudge(policy)([question])[0].first_wins == 1 else -1
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if PolicyJudge(policy, middle)([question])[0].first_wins == 0.5 else (middle, high)
    return sign * high


@pytest.mark.parametrize(
    "turns,ending,labels",
    [
        (TURNS, "[assistant]\n", ["A", "B"]),
        (TURNS, "[assistant]{{ eos_token }}", ["A", "B"]),
        (TURNS, "[assistant]", [" A", " B"]),
        (TURNS.removeprefix("{{ bos_token }}"), "[assistant]\n", ["A", "B"]),
    ],
)
def test_a_chat_model_judges_in_its_template(turns, ending, labels):
    import torch
    from xicl_study.inference.answers import encode_prompt
    from xicl_study.inference.sampling import SamplingParameters

    chat = Policy(*smoke_model(), "chat")
    chat.tokenizer.chat_template = turns + ending + "{% endif %}"
    question = questions(1)[0]
    text, found = scored_prompt(chat.tokenizer, question)
    assert found == labels and "[user] Two assistants" in text and "[assistant]" in text
    ids = encode_prompt(
        chat.tokenizer, judge_prompt(question, "Reply with one letter only: A or B."), SamplingParameters(), chat.encode
    )
    assert ids.count(chat.tokenizer.bos_token_id) == ("bos_token" in turns)
    sequences = [ids + chat.encode(label, start=False) for label in labels]
    with torch.no_grad():
        scores = [chat.model(torch.tensor([sequence])).logits[0].log_softmax(-1) for sequence in sequences]
    a, b = (
        sum(float(score[place - 1, sequence[place]]) for place in range(len(ids), len(sequence)))
        for score, sequence in zip(scores, sequences)
    )
    assert abs(lead_of(chat, question) - (a - b)) < 1e-3 and chat.start == [chat.tokenizer.bos_token_id]


def test_a_blank_at_the_end_of_a_template_is_not_doubled():
    chat = Policy(*smoke_model(), "chat")
    leads = []
    for ending in ("[assistant]", "[assistant] "):
        chat.tokenizer.chat_template = TURNS + ending + "{% endif %}"
        leads.append(lead_of(chat, questions(1)[0]))
    assert abs(leads[0] - leads[1]) < 1e-4


def test_a_long_question_before_a_chat_model_and_the_plain_text_as_it_was():
    chat = Policy(*smoke_model(), "chat")
    question = questions(1)[0]
    assert scored_prompt(chat.tokenizer, question) == (judge_prompt(question, "The better answer is"), [" A", " B"])
    chat.tokenizer.chat_template = TURNS + "[assistant]\n{% endif %}"
    judged = PolicyJudge(chat)([question, JudgedPair("Swali", "x" * 5000, "y", "sw")])
    assert not judged[0].reason and judged[1].reason == TOO_LONG and PolicyJudge(chat)([]) == []


def test_missing_rewards_are_missing_verdicts():
    judged = judge_answers(
        RewardJudge(
            lambda prompts, texts: [
                float("nan") if "3" in prompt else len(text) for prompt, text in zip(prompts, texts)
            ]
        ),
        answers(),
    )
    assert judged.score.tolist()[:3] == [0.0] * 3 and np.isnan(judged.score[3]) and judged.reason[3] == "no reward"
    with pytest.raises(DataError, match="No verdict of reward model can be used .no reward."):
        win_rates(judge_answers(RewardJudge(lambda prompts, texts: [None] * len(texts)), answers()))
    with pytest.raises(DataError, match="gave 3 rewards for 12 answers"):
        judge_answers(RewardJudge(lambda prompts, texts: [0, 1, 2]), answers())


@pytest.mark.parametrize(
    "table,expected",
    [(answers(0), "no answers"), (answers().drop(columns="item"), "column.s. item"), (answers(item=1), "appear twice")],
)
def test_tables_that_cannot_be_judged(table, expected):
    with pytest.raises(DataError, match=expected):
        judge_answers(RewardJudge(lambda prompts, texts: [0.0] * len(texts)), table)


def test_a_judge_with_too_few_verdicts():
    class Lazy:
        name, kind = "lazy", "policy"

        def __call__(self, asked):
            return [JudgeVerdict(1.0)]

    with pytest.raises(DataError, match="gave 1 verdicts for 6"):
        judge_answers(Lazy(), answers())


def test_empty_missing_and_identical_answers():
    asked = []

    def score(prompts, texts):
        asked.extend(texts)
        return [len(text) for text in texts]

    judged = judge_answers(
        RewardJudge(score),
        answers(
            answer=["", None, "hapana", "ndiyo kabisa", float("nan"), ""],
            baseline_answer=["ndiyo", "ndiyo", "hapana", "ndiyo", "x", ""],
        ),
    )
    assert judged.score[0] == 0.0 and judged.score[2] == judged.score[5] == 0.5 and judged.score[3] == 1.0
    assert judged.reason[1] == judged.reason[4] == "missing answer" and "hapana" not in asked


def test_one_item_and_one_language():
    row = win_rates(judge_answers(RewardJudge(lambda prompts, texts: [len(text) for text in texts]), answers(1))).iloc[
        0
    ]
    assert (
        row.n == 1
        and row.win_rate == 0.0
        and row.lc_win_rate == 0.0
        and np.isnan(row.standard_error)
        and row.high > 0.5
    )


@pytest.mark.parametrize("seed", range(5))
def test_length_control_recovers_what_was_put_in(seed):
    drawn = np.random.default_rng(seed)
    theta, phi = drawn.uniform(-1, 1), drawn.uniform(-1.5, 1.5)
    lengths = scaled_lengths(drawn.normal(drawn.uniform(-200, 200), 300, 8000))
    found = fit_length_control((drawn.random(8000) < sigmoid(theta + phi * lengths)).astype(float), lengths)
    assert abs(found[0][0] - theta) < 0.1 and abs(found[1][0] - phi) < 0.15


def test_newton_ends_at_the_maximum_from_anywhere():
    for seed in range(200):
        drawn = np.random.default_rng(seed)
        n = int(drawn.integers(2, 30))
        scores, lengths = drawn.choice([0.0, 0.5, 1.0], n), scaled_lengths(drawn.normal(0, 10, n) ** 3)
        theta, phi = fit_length_control(scores, lengths)
        if not np.isfinite(theta[0]):
            assert scores.mean() in (0, 1)
            continue
        residual = scores - sigmoid(theta[0] + phi[0] * lengths)
        assert abs(residual.sum()) < 1e-6 and abs(residual @ lengths - phi[0]) < 1e-6


def test_importing_loads_no_model_library():
    import subprocess, sys

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, xicl_study.evaluation.judges, xicl_study.evaluation.win_rates;"
            " assert 'torch' not in sys.modules",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert judges.JUDGE_KINDS["reward"] == "reward-model preference"
