# SPDX-License-Identifier: MIT
"""wattle synth writes models that the program loads, whole or not at all."""
import json
import os
import re
import signal

import lab
from lab import check


def synth(folder, name, *args):
    path = os.path.join(folder, name)
    code, out, err = lab.run("synth", "stories-15m", "--output", path, *args)
    check(code == 0, f"synth {args}: {code} {err}")
    return path, out


def generated(path):
    code, out, err = lab.run("generate", "--model", path, "--raw", "--prompt", "The temperature is", "--llm-max-new-tokens", "4", "--llm-temperature", "0", "--json")
    check(code == 0, f"generate: {code} {err}")
    answer = json.loads(out)
    check(answer["usage"]["prompt_tokens"] == 4 if "usage" in answer else answer["prompt_tokens"] == 4, f"tokens of the prompt: {answer}")
    return answer["text"] if "text" in answer else answer["response"]


def makes_models_that_run(folder):
    q8, out = synth(folder, "q8.gguf", "--type", "q8_0", "--json")
    made = json.loads(out)
    check(made["source"] == "karpathy/tinyllamas" and made["parameters"] == 15191712 and made["weight_bytes"] < os.path.getsize(q8), out)
    again, _ = synth(folder, "again.gguf", "--type", "q8_0", "--seed", "1")
    other, _ = synth(folder, "other.gguf", "--type", "q8_0", "--seed", "2")
    with open(q8, "rb") as a, open(again, "rb") as b, open(other, "rb") as c:
        bytes_a, bytes_b, bytes_c = a.read(), b.read(), c.read()
    check(bytes_a == bytes_b, "the same seed made other bytes")
    check(bytes_a != bytes_c and len(bytes_a) == len(bytes_c), "another seed made the same bytes")
    check(generated(q8) == generated(again) != generated(other), "answers and seeds do not go together")
    synth(folder, "mix.gguf", "--layers", "2")
    generated(os.path.join(folder, "mix.gguf"))


def makes_a_folder(folder):
    path, out = synth(folder, "hf", "--type", "f16")
    check(sorted(os.listdir(path)) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"], os.listdir(path))
    with open(os.path.join(path, "config.json"), encoding="utf-8") as f:
        check(json.load(f)["torch_dtype"] == "float16", "config.json")
    generated(path)
    code, _, err = lab.run("synth", "stories-15m", "--output", path)
    check(code == 2 and "--force" in err, f"over a folder: {code} {err}")
    synth(folder, "hf", "--force")
    generated(path)


def refuses(folder):
    path = os.path.join(folder, "m.gguf")
    with open(path, "w", encoding="utf-8") as f:
        f.write("mine")
    for args, message in [(("tinylama-1.1b", "--output", path), "did you mean 'tinyllama-1.1b'?"), (("stories-15m",), "--output: absent"),
                          (("stories-15m", "--output", path), "is there already, --force replaces it"), ((), "SHAPE"),
                          (("stories-15m", "--output", path, "--force", "--layers", "7"), "--layers: 7, expected at most 6"),
                          (("stories-15m", "--output", os.path.join(folder, "new"), "--type", "q8_0"), "expected one of f32, f16, bf16 for safetensors")]:
        code, out, err = lab.run("synth", *args)
        check(code == 2 and message in err and not out and err.count("\n") == 1, f"{args}: {code} {err}")
    with open(path, encoding="utf-8") as f:
        check(f.read() == "mine", "a file was replaced without --force")
    code, out, err = lab.run("synth", "stories-15m", "--output", os.path.join(folder, "none", "m.gguf"))
    check(code == 1 and "cannot create" in err, f"no such folder: {code} {err}")
    check(os.listdir(folder) == ["m.gguf"], f"left behind: {os.listdir(folder)}")


def names_all_shapes(folder):
    _, _, err = lab.run("synth", "x", "--output", "x")
    _, text, _ = lab.run("synth", "--help")
    shapes = re.search(r"expected one of (.*)", err).group(1).split(", ")
    check(len(shapes) > 15, err)
    missing = [s for s in shapes if not re.search(rf"\b{re.escape(s)}\b", text.replace("\n", " "))]
    check(not missing, f"--help leaves out {missing}")


def interrupted(folder):
    path = os.path.join(folder, "m.gguf")
    p = lab.Program("synth", "gemma-2b", "--type", "f32", "--output", path)
    lab.wait_for(lambda: any(n.endswith(".part") for n in os.listdir(folder)), "the temporary file")
    p.signal(signal.SIGINT)
    check(p.end() == 130, f"exit code; {p.err.all}")
    check(os.listdir(folder) == [], f"left behind: {os.listdir(folder)}")


lab.main(makes_models_that_run, makes_a_folder, refuses, names_all_shapes, interrupted)
