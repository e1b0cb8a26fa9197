# SPDX-License-Identifier: MIT
"""`wattle eval` against torch and transformers (eval/make_golden.py), and what it refuses."""
import json
import os
import subprocess
import tempfile

from lines import Count, program, source

HERE = source("tests", "golden", "eval")
TEXT = os.path.join(HERE, "text.txt")
# The float32 of torch and ours differ in the order of their sums.
TOLERANCE = 2e-5


def evaluate(*arguments, text=None):
    return subprocess.run([program(), "eval", *arguments], input=text, stdin=None if text else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)


def folder(name):
    return os.path.join(HERE, name)


def compare(count, got, expected, where):
    for key, value in expected.items():
        if isinstance(value, dict):
            compare(count, got[key], value, f"{where} {key}")
        elif isinstance(value, int):
            count.check(got[key] == value, where, key, got[key], "expected", value)
        else:
            # Divergences are differences of nearly equal numbers: their error is that of a logit.
            count.check(abs(got[key] - value) <= TOLERANCE * max(1, abs(value)), where, key, got[key], "expected", value)


def check_numbers(count):
    with open(os.path.join(HERE, "expected.json"), encoding="utf-8") as f:
        expected = json.load(f)
    for case in expected["cases"]:
        limit = [] if case["tokens"] == expected["ids"] else ["--limit", str(case["tokens"])]
        done = evaluate("--model", folder("coarse"), "--reference", folder("reference"), "--text", TEXT, "--json", "--exact",
                        "--context", str(case["context"]), "--stride", str(case["stride"]), *limit)
        count.check(done.returncode == 0, done)
        if done.returncode == 0:
            compare(count, json.loads(done.stdout), case, f"context {case['context']} stride {case['stride']}")


def check_forms(count):
    fixed = ["--model", folder("reference"), "--context", "32", "--json"]
    results = [evaluate(*fixed, "--text", TEXT, "--llm-threads", threads) for threads in ("1", "2", "3")]
    answers = [{k: v for k, v in json.loads(r.stdout).items() if k != "seconds"} for r in results]
    count.check(answers[0] == answers[1] == answers[2], "depends on threads:", answers)
    count.check("reference" not in answers[0] and answers[0]["stride"] == 16, answers[0])
    with open(TEXT, "rb") as f:
        piped = evaluate(*fixed, "--text", "-", text=f.read())
    count.check({k: v for k, v in json.loads(piped.stdout).items() if k != "seconds"} == answers[0], piped)
    same = json.loads(evaluate(*fixed, "--text", TEXT, "--exact", "--reference", folder("reference")).stdout)["reference"]
    count.check(same["top1_agreement"] == 1 and same["kl_divergence"]["max"] == 0, same)
    plain = evaluate("--model", folder("coarse"), "--reference", folder("reference"), "--text", TEXT)
    for words in (b"perplexity", b"bits per byte", b"KL divergence", b"same likeliest"):
        count.check(words in plain.stdout, plain)
    count.check(b"916 of 916 tokens, perplexity so far " in plain.stderr, plain)


def check_refusals(count):
    with tempfile.TemporaryDirectory() as place:
        other = os.path.join(place, "other")
        os.mkdir(other)
        for name in os.listdir(folder("reference")):
            os.symlink(os.path.join(folder("reference"), name), os.path.join(other, name))
        tokenizer = os.path.join(other, "tokenizer.json")
        with open(tokenizer, encoding="utf-8") as f:
            content = f.read()
        os.remove(tokenizer)
        with open(tokenizer, "w", encoding="utf-8") as f:
            f.write(content.replace('"</s>"', '"<eos>"'))
        short = os.path.join(place, "short.txt")
        open(short, "wb").close()
        model = ["--model", folder("reference")]
        for arguments, code, words in (
                ([*model], 2, "--text"),
                ([*model, "--text", os.path.join(place, "absent.txt")], 1, "absent.txt"),
                ([*model, "--text", short], 2, "expected 2 at least"),
                ([*model, "--text", TEXT, "--context", "129"], 2, "--context: 129, expected at most the model's 128"),
                ([*model, "--text", TEXT, "--context", "32", "--stride", "33"], 2, "--stride: 33"),
                ([*model, "--text", TEXT, "--reference", other], 2, "expected the same vocabulary"),
                ([*model, "--text", TEXT, "--reference", os.path.join(place, "none.gguf")], 1, "none.gguf")):
            done = evaluate(*arguments)
            error = done.stderr.decode()
            count.check(done.returncode == code and words in error and not done.stdout, arguments, done)
            count.check(error.count("wattle eval: ") == 1, error)


def main():
    count = Count()
    check_numbers(count)
    check_forms(count)
    check_refusals(count)
    count.exit()


main()
