# SPDX-License-Identifier: MIT
"""wattle logits against the numbers that a reference computed from the same files."""
import glob
import json
import os

from lines import Count, ask, source

# Of the largest logit; float32 on dequantized weights. All that are here are below 3e-6.
TOLERANCE = 1e-5
LOGPROB_TOLERANCE = 1e-3
# Activations as 8-bit integers cost 1 to 4 % on these tiny random models.
FAST_TOLERANCE = 0.06


def difference(answer, expected):
    return max(abs(a - b) for p, row in expected["logits"].items()
               for a, b in zip(answer["logits"][p], row, strict=True))


def main():
    count = Count()
    files = sorted(glob.glob(source("tests", "golden", "models", "*")) + glob.glob(source("tests", "golden", "gguf", "*.gguf")))
    count.check(len(files) >= 40, "goldens:", files)
    for path in files:
        name = os.path.basename(path)
        with open(path + (".golden.json" if name.endswith(".gguf") else "/golden.json"), encoding="utf-8") as f:
            golden = json.load(f)
        scale = golden["max_abs_logit"]
        for answer, case in zip(ask(["logits", "--model", path, "--quant", "f32"], golden["cases"]),
                                golden["cases"]):
            expected = case["expect"]
            off = difference(answer, expected) / scale
            count.check(off <= TOLERANCE, name, case["case"], "logits off by", off)
            count.check(answer["greedy"] == expected["greedy"], name, case["case"], "greedy", answer["greedy"])
            off = max(abs(a - b) for a, b in zip(answer["logprobs"], expected["logprobs"], strict=True))
            count.check(off <= LOGPROB_TOLERANCE, name, case["case"], "logprobs off by", off)
        for answer, case in zip(ask(["logits", "--model", path], golden["cases"]), golden["cases"]):
            off = difference(answer, case["expect"]) / scale
            count.check(off <= FAST_TOLERANCE, name, case["case"], "fast logits off by", off)
    # -1 is the last position; a prefix gives what the whole gives; one code is as good as another.
    case = golden["cases"][-1]
    last = str(len(case["ids"]) - 1)
    model = ["logits", "--model", path]
    whole = {"case": 0, "ids": case["ids"], "positions": [0, 5, -1]}
    part = {"case": 0, "ids": case["ids"][:6], "positions": [5]}
    a, b = ask(model, [whole, part])
    count.check(a["logits"]["5"] == b["logits"]["5"], "a prefix gives other logits")
    plain = ask(model, [{**whole, "positions": [int(last)]}], {"WATTLE_ISA": "c", "LLM_THREADS": "3"})[0]
    count.check(a["logits"]["-1"] == plain["logits"][last], "threads or machine code change logits")
    count.exit()


main()
