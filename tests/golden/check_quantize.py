# SPDX-License-Identifier: MIT
"""`wattle quantize`: files whose logits stay near those of their source, what it says of them, and what it refuses."""
import json
import os
import struct
import subprocess
import tempfile

from lines import Count, program, source

GGUF = source("tests", "golden", "gguf")


def quantize(*arguments, folder=None):
    return subprocess.run([program(), "quantize", *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False)


def logits(path, cases):
    lines = "".join(json.dumps({k: case[k] for k in ("case", "ids", "positions")}) + "\n" for case in cases)
    done = subprocess.run([program(), "logits", "--model", path, "--quant", "f32"], input=lines.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done


def golden(name):
    with open(os.path.join(GGUF, name + ".golden.json"), encoding="utf-8") as f:
        return json.load(f)


def distance(answers, cases):
    """The squared differences of the logits, over their squares around the mean; the root of it."""
    wrong = all_of = 0
    for answer, case in zip(answers, cases):
        for position, expected in case["expect"]["logits"].items():
            mean = sum(expected) / len(expected)
            wrong += sum((a - b) ** 2 for a, b in zip(answer["logits"][position], expected))
            all_of += sum((b - mean) ** 2 for b in expected)
    return (wrong / all_of) ** 0.5


def check_gguf(count, folder):
    """These weights are random, which makes the most of every error: the bounds are half more than what the bits gave when this
    was written, and far below the 1.4 of logits that have nothing to do with each other."""
    bounds = {"f16": 2e-3, "bf16": 2e-2, "q8_0": 0.04, "q6_k": 0.04, "q5_k_m": 0.28, "q4_k_m": 0.35, "q4_1": 0.45, "q4_0": 0.45}
    for name in ("llama-gqa-tied-f32.gguf", "gemma-f32.gguf", "qwen3-f32.gguf"):
        cases = golden(name)["cases"]
        for kind, bound in bounds.items():
            out = os.path.join(folder, f"{kind}-{name}")
            done = quantize(os.path.join(GGUF, name), "--type", kind, "--output", out, "--json")
            count.check(done.returncode == 0 and not done.stderr, done)
            said = json.loads(done.stdout)
            count.check(said["bytes"] == os.path.getsize(out) and said["output"] == out, said)
            count.check(any(t["to"] != t["from"] for t in said["tensors"]), said)
            answers, ran = logits(out, cases)
            count.check(len(answers) == len(cases), ran)
            far = distance(answers, cases)
            count.check(far <= bound, name, kind, "distance of the logits", far, "expected at most", bound)


def check_folders(count, folder):
    """Safetensors as GGUF: the logits stay those of the reference, whatever was renamed, permuted, joined or added."""
    models = source("tests", "golden", "models")
    for name in ("llama-bias", "llama3-rope", "llama-yarn", "mistral-swa", "qwen2", "qwen3", "gemma", "gemma2-nocaps", "gemma3-heads",
                 "phi3", "phi3-longrope", "phi3-partial", "stablelm-2-12b", "stablelm-parallel", "granite", "olmo2"):
        with open(os.path.join(models, name, "golden.json"), encoding="utf-8") as f:
            reference = json.load(f)
        out = os.path.join(folder, name + ".gguf")
        done = quantize(os.path.join(models, name), "--type", "f32", "--output", out)
        count.check(done.returncode == 0, done)
        answers, ran = logits(out, reference["cases"])
        count.check(len(answers) == len(reference["cases"]), ran)
        for answer, case in zip(answers, reference["cases"]):
            for position, expected in case["expect"]["logits"].items():
                far = max(abs(a - b) for a, b in zip(answer["logits"][position], expected))
                count.check(far <= 2e-4 * reference["max_abs_logit"], name, case["case"], position, far)
    # With its tokenizer: the same tokens of a text, and the same logits of them.
    original, out = source("tests", "golden", "eval", "reference"), os.path.join(folder, "text.gguf")
    done = quantize(original, "--type", "f32", "--output", out)
    count.check(done.returncode == 0 and not done.stderr, done)
    done = subprocess.run([program(), "eval", "--model", out, "--reference", original, "--exact", "--json", "--text",
                           source("tests", "golden", "eval", "text.txt")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=300, check=False)
    count.check(done.returncode == 0, done)
    count.check(json.loads(done.stdout)["reference"]["kl_divergence"]["max"] < 1e-9, done)
    for name, words in (("bloom", "model_type 'bloom' is not written as GGUF, expected one of llama, "),
                        ("gemma2", "key 'query_pre_attn_scalar': GGUF's 'gemma2' has no word for it"),
                        ("llama-dynamic-rope", "rope_type 'dynamic': GGUF's 'llama' has no word for it"),
                        ("qwen3-swa", "sliding windows: GGUF's 'qwen3' has no word for it")):
        done = quantize(os.path.join(models, name), "--type", "f16", "--output", os.path.join(folder, "refused.gguf"))
        count.check(done.returncode == 1 and words in done.stderr.decode(), done)
        count.check(not os.path.exists(os.path.join(folder, "refused.gguf")), done)


def check_same(count, folder):
    """Nothing is lost where the type stays, nothing depends on threads, and text without --json says the same."""
    name = os.path.join(GGUF, "llama-gqa-tied-q8_0.gguf")
    outs = [os.path.join(folder, f"threads-{n}.gguf") for n in (1, 2, 3)]
    for n, out in zip((1, 2, 3), outs):
        done = quantize(name, "--type", "q4_0", "--output", out, "--llm-threads", str(n))
        count.check(done.returncode == 0 and b"bits a weight" in done.stdout and b"blk.0.attn_q.weight" in done.stdout, done)
    contents = [open(out, "rb").read() for out in outs]
    count.check(contents[0] == contents[1] == contents[2], "the file depends on the number of threads")
    done = quantize(name, "--type", "q8_0", "--json", folder=folder)
    said = json.loads(done.stdout)
    count.check(said["output"] == "llama-gqa-tied-q8_0-q8_0.gguf" and said["relative_error"] == 0, said)
    quiet = quantize(name, "--type", "q8_0", "--quiet", "--force", folder=folder)
    count.check(quiet.returncode == 0 and quiet.stdout.count(b"\n") == 1, quiet)


def first_data(content):
    """Where the tensors' data begin: behind the descriptions, at a multiple of 32."""
    pos = 24
    n_tensors, n_keys = struct.unpack_from("<QQ", content, 8)
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def text(at):
        return at + 8 + struct.unpack_from("<Q", content, at)[0]

    for _ in range(n_keys):
        pos = text(pos)
        kind = struct.unpack_from("<I", content, pos)[0]
        pos += 4
        if kind == 8:
            pos = text(pos)
        elif kind == 9:
            elem, n = struct.unpack_from("<IQ", content, pos)
            pos += 12
            for _ in range(n if elem == 8 else 0):
                pos = text(pos)
            pos += 0 if elem == 8 else n * sizes[elem]
        else:
            pos += sizes[kind]
    for _ in range(n_tensors):
        pos = text(pos)
        pos += 4 + 8 * struct.unpack_from("<I", content, pos)[0] + 12
    return (pos + 31) // 32 * 32


def check_refusals(count, folder):
    name = os.path.join(GGUF, "llama-mha-f32.gguf")
    name = name if os.path.exists(name) else os.path.join(GGUF, "llama-bias-f32.gguf")
    with open(name, "rb") as f:
        content = bytearray(f.read())
    broken = {}
    for word, value in (("nan", float("nan")), ("inf", float("-inf")), ("large", 1e6)):
        broken[word] = os.path.join(folder, word + ".gguf")
        changed = bytearray(content)
        struct.pack_into("<f", changed, first_data(content) + 4, value)
        with open(broken[word], "wb") as f:
            f.write(changed)
    there = os.path.join(folder, "there.gguf")
    with open(there, "w", encoding="utf-8") as f:
        f.write("mine")
    out = os.path.join(folder, "out.gguf")
    for arguments, code, words in (
            ([name, "--type", "q3_k", "--output", out], 2, "--type: 'q3_k', expected one of f32, f16"),
            ([name, "--type", "q8_0", "--output", there], 2, "is there already, --force replaces it"),
            ([name, "--type", "q8_0", "--output", os.path.join(folder, "no", "x.gguf")], 1, "x.gguf"),
            ([name, "--type", "q8_0", "--output", folder, "--force"], 1, folder),
            ([broken["nan"], "--type", "q8_0", "--output", out], 1, "value 1 of row 0 is not finite"),
            ([broken["inf"], "--type", "f16", "--output", out], 1, "value 1 of row 0 is not finite"),
            ([broken["large"], "--type", "f16", "--output", out], 1, "beyond F16's 65504"),
            ([os.path.join(folder, "none.gguf"), "--type", "q8_0", "--output", out], 1, "none.gguf")):
        done = quantize(*arguments)
        error = done.stderr.decode()
        count.check(done.returncode == code and words in error, arguments, done)
        count.check(error.count("wattle quantize: ") == 1 and error.count("\n") == 1, error)
        count.check(not os.path.exists(out) and not [f for f in os.listdir(folder) if f.endswith(".part")], os.listdir(folder))
    with open(there, encoding="utf-8") as f:
        count.check(f.read() == "mine", "the file that was there is another one")


def main():
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        check_gguf(count, folder)
        check_folders(count, folder)
        check_same(count, folder)
        check_refusals(count, folder)
    count.exit()


main()
