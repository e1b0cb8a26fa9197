# SPDX-License-Identifier: MIT
"""wattle template against Jinja2 as transformers sets it up: published templates, and cases from the
field."""
import glob
import json
import os
import re

from lines import Count, ask, shared, source

OWN_WORDS = "TemplateError: "


def compare(count, name, answer, case):
    where = f"{name} {case['case']}"
    if "text" in case:
        count.check(answer.get("text") == case["text"], where, answer, "expected", repr(case["text"]))
    elif "text_matches" in case:
        count.check(re.search(case["text_matches"], answer.get("text", "")), where, answer)
    elif "error_contains" in case:
        count.check(case["error_contains"] in answer.get("error", "") and answer.get("error"), where, answer)
    else:
        words = case["error"]
        words = words[len(OWN_WORDS):] if words.startswith(OWN_WORDS) else ""
        count.check(answer.get("error") and words in answer["error"], where, answer, "expected", case["error"])


def published(count, folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.cases.json"))):
        with open(path, encoding="utf-8") as f:
            golden = json.load(f)
        template = os.path.join(folder, golden["template"])
        questions = [{**{k: case[k] for k in ("case", "messages", "tools", "add_generation_prompt") if k in case},
                      "now": golden["now"], "variables": {**golden["variables"], **case.get("variables", {})}}
                     for case in golden["cases"]]
        for answer, case in zip(ask(["template", "--template", template], questions), golden["cases"]):
            compare(count, golden["template"], answer, case)


def field(count, folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.in.jsonl"))):
        stem = path[:-len(".in.jsonl")]
        with open(path, encoding="utf-8") as f:
            questions = [json.loads(line) for line in f]
        with open(stem + ".out.jsonl", encoding="utf-8") as f:
            expected = [json.loads(line) for line in f]
        for answer, case in zip(ask(["template", "--template", stem + ".jinja"], questions), expected):
            compare(count, os.path.basename(stem), answer, case)


def main():
    count = Count()
    published(count, source("tests", "golden", "templates"))
    count.check(count.right >= 5 * 32, "the five short templates are not all there")
    before = count.right
    field(count, source("tests", "cases", "template"))
    count.check(count.right > before, "no cases from the field")
    if os.path.isdir(shared("templates")):
        published(count, shared("templates"))
    else:
        count.skip("the templates that may not be handed on: no " + shared("templates"))
    count.exit()


main()
