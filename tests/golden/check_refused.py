# SPDX-License-Identifier: MIT
"""Bad lines cost that line alone, and say what is wrong with them."""
import json
import os
import shutil
import subprocess
import tempfile

from lines import Count, program, source

MODEL = source("tests", "golden", "gguf", "llama-gqa-tied-f32.gguf")
CHATML = source("tests", "golden", "templates", "ChatML.jinja")
GOOD = '{"case":"good","ids":[1,2],"greedy":1}'
LOGITS = [  # line, what the error says
    ("", None),
    ("   \r", None),
    ("nonsense", "line"),
    ("[1]", "expected an object"),
    ('{"case":1}', "ids"),
    ('{"case":1,"ids":[]}', "ids"),
    ('{"case":1,"ids":"1"}', "ids"),
    ('{"case":1,"ids":[1.5]}', "ids"),
    ('{"case":1,"ids":[-1]}', "ids: -1"),
    ('{"case":1,"ids":[100000000]}', "ids: 100000000"),
    ('{"case":1,"ids":[' + "1," * 100000 + "1]}", "ids"),
    ('{"case":1,"ids":[1],"positions":[1]}', "positions: 1"),
    ('{"case":1,"ids":[1],"positions":[-2]}', "positions: -2"),
    ('{"case":1,"ids":[1],"positions":[0,0]}', "positions: 0 twice"),
    ('{"case":1,"ids":[1],"greedy":-1}', "greedy: -1"),
    ('{"case":1,"ids":[1],"greedy":1000000000000}', "greedy"),
    ('{"case":1,"ids":[1],"continuation":[-1]}', "continuation: -1"),
    ('{"case":1,"ids":[1],"ids":[2]}', "ids"),
    ("[" * 100000, "line"),
    ('{"case":1,"ids":[1],"unknown":{"key":[]}}', ""),
]
TEMPLATE = [
    ('{"case":1}', "messages"),
    ('{"case":1,"messages":{}}', "messages"),
    ('{"case":1,"messages":[],"tools":3}', "tools"),
    ('{"case":1,"messages":[],"variables":[]}', "variables"),
    ('{"case":1,"messages":[],"now":"2025-02-29T00:00:00"}', "now"),
    ('{"case":1,"messages":[],"now":"tomorrow"}', "now"),
    ('{"case":1,"messages":[],"now":7}', "now"),
    ('{"case":1,"messages":[],"add_generation_prompt":1}', "add_generation_prompt"),
    ('{"case":1,"messages":[],"now":"2024-02-29T23:59:59"}', ""),
]


def check(count, arguments, rows, good):
    text = "\n".join(line for line, _ in rows for line in (line, good)) # no newline at the end
    done = subprocess.run([program(), *arguments], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    count.check(done.returncode == 0, arguments, done.returncode, done.stderr)
    answers = iter(done.stdout.decode().splitlines())
    for line, error in rows:
        if error is not None:
            answer = json.loads(next(answers))
            if error:
                count.check(error in answer.get("error", ""), line[:60], answer)
                known = line.startswith('{"case"') and '"ids":[1],"ids"' not in line
                count.check(answer["case"] == (1 if known else None), line[:60], answer)
            else:
                count.check("error" not in answer, line[:60], answer)
        answer = json.loads(next(answers))
        count.check(answer["case"] == "good" and "error" not in answer, "after", line[:60], answer)
    count.check(next(answers, None) is None, arguments, "more answers than lines")


def check_cut_while_open(count):
    """Weights are mapped: a file that is cut meanwhile ends the program with a line, not by a signal."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        shutil.copyfile(MODEL, path)
        with subprocess.Popen([program(), "logits", "--model", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as p:
            p.stdin.write(GOOD.encode() + b"\n")
            p.stdin.flush()
            count.check(b'"good"' in p.stdout.readline(), "before the cut")
            os.truncate(path, 0)
            _, err = p.communicate(GOOD.encode() + b"\n", timeout=60)
            count.check(p.returncode == 1 and err.count(b"\n") == 1 and b"became shorter" in err, p.returncode, err)


def main():
    count = Count()
    check_cut_while_open(count)
    check(count, ["logits", "--model", MODEL], LOGITS, GOOD)
    check(count, ["template", "--template", CHATML], TEMPLATE, '{"case":"good","messages":[]}')
    for arguments, code, words in [
            (["tokenize", "--model", MODEL], 1, "tokenizer.ggml.model"),
            (["template", "--model", MODEL], 1, "tokenizer.chat_template"),
            (["logits", "--model", MODEL, "--input", "/nowhere"], 1, "--input: cannot open '/nowhere'"),
            (["logits", "--model", "/nowhere"], 1, "/nowhere"),
            (["logits", "--model", MODEL, "--quant", "q8"], 2, "--quant"),
            (["template", "--model", MODEL, "--template", CHATML], 2, "--template"),
            (["template", "--template", "/nowhere"], 1, "/nowhere"),
            (["generate", "--model", MODEL], 2, "--prompt"),
            (["generate", "--model", MODEL, "--prompt", "x", "--raw", "--system", "y"], 2, "--system"),
            (["generate", "--model", MODEL, "--prompt", "x"], 1, "vocabulary")]:
        done = subprocess.run([program(), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        message = done.stderr.decode()
        count.check(done.returncode == code and words in message and message.count("\n") == 1,
                    arguments, done.returncode, message)
    full = subprocess.run(f"echo '{GOOD}' | '{program()}' logits --model '{MODEL}' >/dev/full", shell=True,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    count.check(full.returncode == 1 and b"write" in full.stderr, "a full disk:", full)
    count.exit()


main()
