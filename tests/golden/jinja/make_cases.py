#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Renders the templates of cases.jsonl with Jinja2, set up as transformers does, and writes the results beside them.

    make_cases.py cases.jsonl

The first line holds the variables and the clock; each other line is {"template"} and gets "text" or "error": true. Add a
line, run this (pip install jinja2==3.1.6), and the unit test text_template_jinja2 holds our interpreter to it."""
import datetime
import json
import sys

import jinja2.ext
import jinja2.sandbox
from jinja2 import nodes


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("body"), [], [], body).set_lineno(line)

    def body(self, caller):
        return caller()


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def environment(now):
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                       extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: now.strftime(f)
    return env


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as f:
        about, *cases = [json.loads(line) for line in f]
    env = environment(datetime.datetime.fromisoformat(about["now"]))
    with open(path, "w", encoding="utf-8") as f:
        f.write(json.dumps(about, ensure_ascii=False) + "\n")
        for case in cases:
            answer = {"template": case["template"]}
            try:
                answer["text"] = env.from_string(case["template"]).render(**about["variables"])
            except Exception:
                answer["error"] = True
            f.write(json.dumps(answer, ensure_ascii=False) + "\n")


main()
