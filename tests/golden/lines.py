# SPDX-License-Identifier: MIT
"""What the golden checks share: the program's JSON lines, and a count of what was compared."""
import json
import os
import subprocess
import sys

SKIPPED = 77


def source(*parts):
    return os.path.join(os.environ["WATTLE_SOURCE"], *parts)


def shared(*parts):
    """Published inputs that may not be handed on: beside the tree on some machines."""
    return source("..", "shared", "goldens", *parts)


def real_model():
    return os.environ.get("WATTLE_MODEL") or source("models", "SmolLM2-135M-Instruct.Q4_1.gguf")


def program():
    return os.path.join(os.environ["WATTLE_BUILD"], "wattle")


def run(arguments, objects, environment=None):
    """The bytes that the program answers."""
    text = "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects)
    done = subprocess.run([program(), *arguments], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise RuntimeError(f"{arguments}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def ask(arguments, objects, environment=None):
    """One answer for each object, in order, with its case."""
    answers = [json.loads(line) for line in run(arguments, objects, environment).decode().split("\n") if line]
    cases = [o.get("case") for o in objects]
    if [a.get("case") for a in answers] != cases:
        raise RuntimeError(f"{arguments}: cases {[a.get('case') for a in answers]}, expected {cases}")
    return answers


class Count:
    """Compares, says what differs, and gives the exit code."""

    def __init__(self):
        self.right = 0
        self.wrong = 0

    def check(self, ok, *what):
        if ok:
            self.right += 1
        else:
            self.wrong += 1
            print("WRONG:", *what)

    def skip(self, what):
        print("skipped:", what)

    def exit(self):
        print(f"{self.right} right, {self.wrong} wrong")
        sys.exit(1 if self.wrong else 0 if self.right else SKIPPED)
