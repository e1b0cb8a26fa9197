# SPDX-License-Identifier: MIT
"""wattle tokenize and detokenize on folders with a tokenizer.json, against Hugging Face's tokenizers; and texts that a tokenizer
of quadratic time would not get through."""
import glob
import json
import os
import time

from lines import Count, ask, source

# All long texts of one vocabulary, a few MB, take 0.3 s; under sanitizers ten times that. Quadratic would be hours.
LONG_SECONDS = 60

LONG = {
    "one letter": "a" * 100000,
    "one word": "abcdefghij" * 100000,
    "blanks": " " * 100000,
    "blanks and a letter": " " * 100000 + "x",
    "lines": "\n" * 100000,
    "tabs": "\t " * 50000,
    "digits": "1" * 100000,
    "points": "!" * 100000,
    "pairs": " a" * 100000,
    "contractions": "'s" * 50000,
    "beyond the vocabulary": "\U0001f600" * 50000,
    "marks on one letter": "e" + "\u0301" * 100000,
    "SentencePiece's blank": "\u2581" * 100000,
}


def check_cases(count, path, golden):
    name = os.path.basename(path)
    encode, decode = golden["encode"], golden["decode"]
    count.check(len(encode) > 100 and len(decode) > 50, name, "has", len(encode), "and", len(decode), "cases")
    kinds = {"plain": {"add_special": False}, "special": {}, "literal": {"add_special": False, "parse_special": False}}
    for kind, options in kinds.items():
        questions = [{"case": c["case"], "text": c["text"], **options} for c in encode]
        expected = {c["case"]: c["ids"].get(kind, c["ids"]["plain"]) for c in encode}
        for q, a in zip(questions, ask(["tokenize", "--model", path], questions)):
            count.check(a.get("ids") == expected[q["case"]], name, kind, repr(q["text"]), a, "expected", expected[q["case"]])
    lists = [(c["ids"]["special"], c["decoded"]) for c in encode] + [(c["ids"], c) for c in decode]
    for kind in ("skip", "keep"):
        questions = [{"case": i, "ids": ids, "skip_special": kind == "skip"} for i, (ids, _) in enumerate(lists)]
        for a, (ids, texts) in zip(ask(["detokenize", "--model", path], questions), lists):
            count.check(a.get("text") == texts[kind], name, kind, ids, a, "expected", repr(texts[kind]))
            count.check("".join(a.get("pieces", ["?"])) == a.get("text"), name, kind, ids, "pieces", a)


def check_long(count, path):
    name = os.path.basename(path)
    began = time.monotonic()
    answers = ask(["tokenize", "--model", path], [{"case": k, "text": t} for k, t in LONG.items()])
    seconds = time.monotonic() - began
    count.check(seconds < LONG_SECONDS, name, "long texts take", seconds, "s")
    for a in answers:
        count.check(0 < len(a.get("ids", [])) <= 4 * len(LONG[a["case"]]) + 2, name, a["case"], str(a)[:200])


def main():
    count = Count()
    folders = sorted(os.path.dirname(p) for p in glob.glob(source("tests", "golden", "tokenizers", "*", "cases.json")))
    count.check(len(folders) >= 8, "folders:", folders)
    for path in folders:
        with open(os.path.join(path, "cases.json"), encoding="utf-8") as f:
            check_cases(count, path, json.load(f))
        check_long(count, path)
    count.exit()


main()
