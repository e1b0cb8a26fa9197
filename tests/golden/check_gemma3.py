# SPDX-License-Identifier: MIT
"""Gemma 3 270M (Q4_K_M, 262,144 tokens) against transformers on its dequantized weights: tokens, the largest logits, greedy ids.
The file may not be handed on; scripts/fetch-model gemma3 fetches it."""
import json
import os
import sys

from lines import SKIPPED, Count, ask, source

TOLERANCE = 2e-4


def main():
    with open(source("tests", "golden", "real", "gemma-3-270m.json"), encoding="utf-8") as f:
        golden = json.load(f)
    model = source("models", golden["file"])
    if not os.path.exists(model):
        print("skipped: Gemma 3 270M is not in models/")
        sys.exit(SKIPPED)
    count = Count()
    cases = golden["cases"]
    for case, got in zip(cases, ask(["tokenize", "--model", model],
                                    [{"case": i, "text": c["text"], "add_special": True, "parse_special": True}
                                     for i, c in enumerate(cases)])):
        count.check(got["ids"] == case["ids"], case["text"], got["ids"])
    asked = [{"case": i, "ids": c["ids"], "positions": [int(p) for p in c["top"]], "greedy": len(c["greedy"])}
             for i, c in enumerate(cases)]
    for case, got in zip(cases, ask(["logits", "--model", model, "--quant", "f32"], asked)):
        off = max(abs(got["logits"][p][int(i)] - v) for p, row in case["top"].items() for i, v in row.items())
        count.check(off <= TOLERANCE * case["max_abs_logit"], case["text"], "logits off by", off / case["max_abs_logit"])
        count.check(got["greedy"] == case["greedy"], case["text"], got["greedy"])
        print(f"logits within {off / case['max_abs_logit']:.1e}")
    count.exit()


main()
