# SPDX-License-Identifier: MIT
"""wattle synth writes models that the program loads, whole or not at all; wattle bench measures them."""
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


def bench(path, *args, **env):
    return lab.run("bench", "--model", path, *args, LLM_PACKED_DIR="none", **env)


def measures(folder):
    path, _ = synth(folder, "m.gguf", "--type", "q4_0", "--layers", "2")
    file = os.path.join(folder, "result.json")
    code, out, err = bench(path, "--threads", "1", "--prefill", "32", "--decode", "8", "--depth", "0,16", "--runs", "3", "--json", "--output", file)
    check(code == 0 and not out, f"bench: {code} {err}")
    with open(file, encoding="utf-8") as f:
        r = json.load(f)
    check(all(0.01 < r["limits"][k] < 1e6 for k in ("read_gb_s", "int8_gmac_s", "f32_gmac_s")), r["limits"])
    check(r["machine"]["threads"] == 1 and r["machine"]["description"] and r["model"]["architecture"] == "llama", r)
    rows = [(x["test"], x["tokens"], x["batch"], x["depth"]) for x in r["results"]]
    check(rows == [("prefill", 32, 1, 0), ("decode", 8, 1, 0), ("decode", 8, 1, 16)], rows)
    for x in r["results"]:
        check(0 < x["slowest"] <= x["tokens_per_second"] <= x["fastest"] and x["runs"] >= 3, x)
        check(0 < x["fraction_of_limit"] and x["limit"] in r["limits"] and x["multiply_adds_per_token"] > 1e6 and x["bytes_read_per_token"] > 1e4, x)
    deep, shallow = r["results"][2], r["results"][1]
    check(deep["bytes_read_per_token"] > shallow["bytes_read_per_token"], "a deeper context reads no more")


def measures_as_a_table(folder):
    path, _ = synth(folder, "m.gguf", "--type", "q4_0", "--layers", "1")
    code, out, err = bench(path, "--prefill", "16", "--decode", "4", "--runs", "1")
    check(code == 0 and re.search(r"^decode +4 +1 +0 +[0-9.]+ ", out, re.M) and "GB/s read" in out, f"{code} {out} {err}")
    check("limits of the machine" in err, err)
    depths = re.findall(r"^decode +4 +1 +([0-9]+) ", out, re.M)
    check(depths == ["0"], f"depths {depths} of a context of 256")
    for args, message in [(("--depth", "0,x"), "--depth 'x': expected numbers"), (("--prefill", "257"), "--prefill: 257, expected at most the model's context of 256"),
                          (("--depth", "250", "--decode", "7"), "--depth: 250 and 7 decoded")]:
        code, out, err = bench(path, *args)
        check(code == 2 and message in err and not out, f"{args}: {code} {err}")


def measuring_is_interrupted(folder):
    path, _ = synth(folder, "m.gguf")
    p = lab.Program("bench", "--model", path, "--runs", "1000", LLM_PACKED_DIR="none")
    p.err.wait(lambda line: line.startswith("prefill of 256"), "the first test")
    p.signal(signal.SIGINT)
    check(p.end() == 130 and not p.out.all, f"exit code; {p.err.all} {p.out.all}")


lab.main(makes_models_that_run, makes_a_folder, refuses, names_all_shapes, interrupted, measures, measures_as_a_table,
         measuring_is_interrupted)
