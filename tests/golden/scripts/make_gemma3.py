# SPDX-License-Identifier: MIT
"""Makes tests/golden/real/gemma-3-270m.json: what transformers and llama.cpp's tokenizer say of the GGUF file that
scripts/fetch-model gemma3 fetches. Needs torch, transformers, gguf, accelerate; LLAMA: llama.cpp's tokenizer through llama-cpp-python."""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
FOLDER, FILE = os.path.join(ROOT, "models"), "gemma-3-270m-q4_k_m.gguf"
TEXTS = [
    "The capital of France is",
    "temp 22.7 °C, humidity 51 %, co 0.0049. Is the room fine?",
    "<start_of_turn>user\nHello wörld, 温度は 22.5 度です 🙂\n\n\n\tok<end_of_turn>\n<start_of_turn>model\n",
    "   leading blanks, 1234567890 and a\u200dZWJ, naïve café, Ω≈ç√∫ Привет мир नमस्ते ไทย",
]


def main():
    import llama_cpp
    llama = llama_cpp.Llama(os.path.join(FOLDER, FILE), vocab_only=True, verbose=False)
    model = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=FILE, dtype=torch.float32).eval()
    cases = []
    for text in TEXTS:
        ids = llama.tokenize(text.encode(), add_bos=True, special=True)
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
            greedy = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12, min_new_tokens=12)[0, len(ids):].tolist()
        rows = {}
        for p in (0, len(ids) // 2, len(ids) - 1):
            top = torch.topk(logits[p], 24)
            rows[str(p)] = {str(i): v for i, v in zip(top.indices.tolist(), top.values.tolist())}
        cases.append({"text": text, "ids": ids, "max_abs_logit": logits.abs().max().item(), "top": rows, "greedy": greedy})
    json.dump({"file": FILE, "made_with": f"torch {torch.__version__}", "cases": cases}, sys.stdout, ensure_ascii=False, indent=1)


main()
