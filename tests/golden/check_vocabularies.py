# SPDX-License-Identifier: MIT
"""wattle tokenize and detokenize against Hugging Face's tokenizers on published vocabularies, which
may not be handed on. Kinds of vocabulary that are not supported yet are named and passed over."""
import glob
import os
import subprocess
import sys

from lines import SKIPPED, Count, ask, program, shared

SEPARATOR = "\n__ggml_vocab_test__\n"


def unsupported(path):
    done = subprocess.run([program(), "tokenize", "--model", path], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    return done.stderr.decode().strip() if done.returncode else None


def main():
    files = sorted(glob.glob(shared("vocab", "*.gguf")))
    if not files:
        print("skipped: no vocabularies in", shared("vocab"))
        sys.exit(SKIPPED)
    count = Count()
    for path in files:
        why = unsupported(path)
        if why:
            count.check("support" in why, path, why)
            count.skip(why)
            continue
        name = os.path.basename(path)
        with open(path + ".inp", encoding="utf-8", newline="") as f:
            texts = f.read().split(SEPARATOR)
        with open(path + ".out", encoding="utf-8") as f:
            ids = [[int(i) for i in line.split()] for line in f.read().split("\n")]
        ids = ids[:len(texts)]
        count.check(len(ids) == len(texts), name, len(texts), "texts", len(ids), "lines of ids")
        questions = [{"case": i, "text": t, "add_special": False} for i, t in enumerate(texts)]
        for i, answer in enumerate(ask(["tokenize", "--model", path], questions)):
            count.check(answer.get("ids") == ids[i], name, repr(texts[i]), answer, "expected", ids[i])
        questions = [{"case": i, "ids": t} for i, t in enumerate(ids)]
        for i, answer in enumerate(ask(["detokenize", "--model", path], questions)):
            count.check("".join(answer.get("pieces", ["?"])) == answer.get("text"), name, answer)
            count.check(answer.get("text", "").lstrip(" ") == texts[i].lstrip(" "), name, repr(texts[i]), answer)
    count.exit()


main()
