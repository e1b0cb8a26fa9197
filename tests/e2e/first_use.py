# SPDX-License-Identifier: MIT
"""A hub name in place of a path: every command pulls the model on first use, never again, and never when it may not."""
import json
import os
import subprocess
import sys

import lab
from hub_server import Hub
from lab import check

MODEL = os.path.join(lab.SOURCE, "tests", "golden", "eval", "reference")
TEXT = os.path.join(lab.SOURCE, "tests", "golden", "eval", "text.txt")
NAME = "acme/tiny"


def files():
    found = {}
    for name in os.listdir(MODEL):
        with open(os.path.join(MODEL, name), "rb") as f:
            found[name] = f.read()
    return found


class Place:
    """A hub with the tiny model and an empty cache."""

    def __init__(self, folder):
        self.hub = Hub()
        self.hub.add(NAME, files())
        self.folder = folder
        self.env = {"HF_HOME": os.path.join(folder, "hf"), "HF_ENDPOINT": self.hub.url, "TMPDIR": folder}

    def run(self, *args, **env):
        return lab.run(*args, **{**self.env, **env})

    def downloads(self):
        return [r for r in self.hub.requests if r.path.endswith("model.safetensors") and r.method == "GET"]


def every_command(folder):
    prompt = os.path.join(folder, "prompt.txt")
    with open(prompt, "w", encoding="utf-8") as f:
        f.write("temp {{temp}}")
    answers = {
        "generate": ["--model", NAME, "--prompt", "temp", "--llm-max-new-tokens", "3"],
        "eval": ["--model", NAME, "--reference", NAME, "--text", TEXT, "--limit", "40"],
        "logits": ["--model", NAME], "tokenize": ["--model", NAME], "detokenize": ["--model", NAME],
        "run": ["--enable-llm", "--llm-model", NAME, "--llm-prompt-file", prompt, "--inferences", "1", "--llm-inference-interval", "1",
                "--llm-max-new-tokens", "3", "--interval", "0.1", "--metrics-dir", folder + "/metrics", "--json"],
    }
    for i, (command, args) in enumerate(answers.items()):
        place = os.path.join(folder, str(i))
        os.mkdir(place)
        p = Place(place)
        if command == "run":
            lab.find("mosquitto")
        code, out, err = p.run(command, *args, LLM_MODEL_NAME="acme/other")
        check(code == 0 and "downloading" in err, f"{command}: {code} {out} {err}")
        check(len(p.downloads()) >= 1, f"{command}: {p.hub.requests}")
        before = len(p.hub.requests)
        code, out, err = p.run(command, *args)
        check(code == 0 and "downloading" not in err and len(p.hub.requests) == before, f"{command} again: {code} {err}")
        if command == "run":
            summary = json.loads(out)
            check(summary["inferences"] >= 1 and summary["errors"] == 0, f"{summary}")
            with open(summary["devices"][0]["metrics_file"], encoding="utf-8") as f:
                check(json.load(f)["summary"]["model_name"] == NAME, "the name in metrics is the one that was given")
        p.hub.close()
        code, out, err = p.run(command, *args, HF_HUB_OFFLINE="1")
        check(code == 0, f"{command} without a hub: {code} {err}")


def not_allowed(folder):
    p = Place(folder)
    for args in (["logits", "--model", NAME], ["run", "--enable-llm", "--llm-model", NAME]):
        code, out, err = p.run(*args, HF_HUB_OFFLINE="1")
        check(code == 1 and not out and "HF_HUB_OFFLINE is set" in err and NAME in err, f"{args}: {code} {err}")
    check(not p.hub.requests, f"{p.hub.requests}")
    code, out, err = p.run("logits", "--model", "acme/none")
    check(code == 1 and "acme/none" in err, f"{code} {err}")
    p.hub.close()
    code, out, err = p.run("logits", "--model", NAME)
    check(code == 1 and "HF_ENDPOINT" in err, f"no network: {code} {err}")


def by_environment(folder):
    """As a container has it."""
    p = Place(folder)
    done = subprocess.run([lab.WATTLE, "tokenize"], env=lab.environment(**p.env, LLM_MODEL_NAME=NAME), capture_output=True,
                          input=b'{"case":1,"text":"</s>","add_special":false}\n', timeout=lab.PATIENCE)
    check(done.returncode == 0 and json.loads(done.stdout) == {"case": 1, "ids": [1]}, f"{done}")
    p.hub.close()


if __name__ == "__main__":
    tests = (every_command, not_allowed, by_environment)
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
