# SPDX-License-Identifier: MIT
"""A model folder in Hugging Face layout through the program: which of its files counts for tokens, templates, end tokens and
sampling, and who wins where the user says otherwise."""
import json
import os
import subprocess
import tempfile

from lines import Count, ask, program, source

REFERENCE = source("tests", "golden", "eval", "reference")
HELLO = [{"role": "user", "content": "Hello"}]


class Folder:
    """A copy of the tiny model, or of its tokenizer alone, with files of our own in it."""

    def __init__(self, weights=True, model=REFERENCE, **files):
        self.place = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.place.name, "model")
        os.mkdir(self.path)
        for name in os.listdir(model):
            if weights or "tokenizer" in name:
                os.symlink(os.path.join(model, name), os.path.join(self.path, name))
        for name, content in files.items():
            self.write(name.replace("__", "."), content)

    def write(self, name, content):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.remove(path)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content if isinstance(content, str) else json.dumps(content))

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="utf-8") as f:
            return f.read()

    def config(self, **more):
        self.write("tokenizer_config.json", {**json.loads(self.read("tokenizer_config.json")), **more})
        return self


def generate(folder, *arguments, **environment):
    env = {**os.environ, **environment}
    return subprocess.run([program(), "generate", "--model", folder.path, "--llm-max-new-tokens", "6", "--json", *arguments],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False, env=env)


def rendered(folder, **more):
    return ask(["template", "--model", folder.path], [{"case": 1, "messages": HELLO, **more}])[0].get("text")


def check_tokens(count):
    whole, text_only = Folder(), Folder(weights=False)
    question = [{"case": 1, "text": "temp 11.4 °C"}, {"case": 2, "text": "</s>", "add_special": False}]
    ids = [a["ids"] for a in ask(["tokenize", "--model", whole.path], question)]
    count.check(ids[0][0] == 0 and ids[1] == [1], ids)
    count.check([a["ids"] for a in ask(["tokenize", "--model", text_only.path], question)] == ids, "without weights")
    text = ask(["detokenize", "--model", text_only.path], [{"case": 1, "ids": ids[0], "skip_special": True}])[0]["text"]
    count.check(text == "temp 11.4 °C", text)
    done = subprocess.run([program(), "tokenize", "--model", text_only.place.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    count.check(done.returncode == 1 and b"no tokenizer there, expected tokenizer.json" in done.stderr, done)
    # Python writes integers of any length: one that nobody reads is no reason to refuse
    f = Folder()
    f.write("config.json", f.read("config.json").replace("{", '{"max_length": 1000000000000000019884624838656,', 1))
    done = generate(f, "--prompt", "x")
    count.check(done.returncode == 0, "an integer of 101 bits", done)


def check_damaged(count):
    """A file that is empty, a pipe that nobody writes to or a link to nowhere is told, not taken for absent and not waited for."""
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "added_tokens.json", "chat_template.jinja",
                 "special_tokens_map.json"):
        for kind, words in (("empty", b"empty"), ("pipe", b"not a regular file"), ("link", b"which is missing"),
                            ("pointer", b"Git LFS pointer: its contents (1842767 bytes)"), ("page", b"HTML page")):
            f = Folder()
            path = os.path.join(f.path, name)
            if os.path.islink(path):
                os.remove(path)
            if kind == "pipe":
                os.mkfifo(path)
            elif kind == "link":
                os.symlink("gone", path)
            elif kind == "pointer":
                f.write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:" + 64 * "7" + "\nsize 1842767\n")
            elif kind == "page":
                f.write(name, "<!doctype html><title>Sign in</title>")
            else:
                f.write(name, "")
            done = generate(f, "--prompt", "x")
            message = done.stderr
            count.check(done.returncode == 1 and message.count(b"\n") == 1 and words in message and name.encode() in message,
                        name, kind, done)


def check_templates(count):
    """Each file comes before those that were asked earlier."""
    f = Folder(weights=False)
    f.config(chat_template="config {{ messages[0].content }}{{ eos_token }}")
    count.check(rendered(f) == "config Hello</s>", rendered(f))
    f.write("chat_template.json", {"chat_template": "json {{ bos_token }}"})
    count.check(rendered(f) == "json <s>", rendered(f))
    f.write("chat_template.jinja", "jinja")
    count.check(rendered(f) == "jinja" and rendered(f, tools=[{"a": 1}]) == "jinja", rendered(f))
    f.write("additional_chat_templates/tool_use.jinja", "tools {{ tools | length }}")
    count.check(rendered(f) == "jinja" and rendered(f, tools=[{"a": 1}]) == "tools 1", rendered(f, tools=[{"a": 1}]))
    f = Folder(weights=False).config(chat_template=[{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}])
    count.check(rendered(f) == "D" and rendered(f, tools=[{"a": 1}]) == "T", rendered(f))
    for folder, words in ((Folder(weights=False), b"no chat template"),
                          (Folder(weights=False, chat_template__jinja="{% if %}"), b"chat_template.jinja: template"),
                          (Folder(weights=False).config(chat_template=7), b"tokenizer_config.json: ")):
        done = subprocess.run([program(), "template", "--model", folder.path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60, check=False)
        count.check(done.returncode == 1 and words in done.stderr and done.stderr.count(b"\n") == 1, done)


def check_plain_prompt(count):
    """Without a template that works the plain form is used, and said."""
    for folder, words in ((Folder(), "no chat template, conversations get the plain form"),
                          (Folder(chat_template__jinja="{{ a. }}"), "its chat template cannot be used, conversations get the plain form")):
        done = generate(folder, "--prompt", "Hi", "--llm-temperature", "0")
        count.check(done.returncode == 0 and words in done.stderr.decode(), done)
        raw = generate(folder, "--raw", "--prompt", "User: Hi\n\nAssistant:", "--llm-temperature", "0")
        count.check(done.returncode == 0 and json.loads(raw.stdout)["text"] == json.loads(done.stdout)["text"], raw)
    done = generate(Folder(chat_template__jinja="{{ messages[0].content }}"), "--prompt", "Hi", "--llm-temperature", "0")
    count.check(done.returncode == 0 and "template" not in done.stderr.decode(), done)


def sampling(count, folder, *arguments, **environment):
    done = generate(folder, "--prompt", "Hi", *arguments, **environment)
    count.check(done.returncode == 0, done)
    return json.loads(done.stdout)["sampling"] if done.returncode == 0 else None


def check_sampling(count):
    ours = {"temperature": 0.7, "top_k": 0, "top_p": 0.9, "min_p": 0, "repetition_penalty": 1}
    count.check(sampling(count, Folder()) == ours, "our own defaults")
    said = {"do_sample": True, "temperature": 0.25, "top_k": 20, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.05}
    theirs = {k: v for k, v in said.items() if k != "do_sample"}
    f = Folder(generation_config__json={**said, "max_length": 3, "max_new_tokens": 1})
    count.check(sampling(count, f) == theirs, "the publisher's", sampling(count, f))
    count.check(json.loads(generate(f, "--prompt", "Hi").stdout)["usage"]["completion_tokens"] > 1, "max_length is not sampling")
    count.check(sampling(count, f, LLM_TEMPERATURE="0.5") == {**theirs, "temperature": 0.5}, "environment before the publisher")
    count.check(sampling(count, f, "--llm-temperature", "0.6", LLM_TEMPERATURE="0.5") == {**theirs, "temperature": 0.6}, "flag first")
    count.check(sampling(count, f, "--llm-top-k", "0", "--llm-top-p", "1")["top_k"] == 0, "off is a value too")
    greedy = Folder(generation_config__json={"do_sample": False, "temperature": 0.9})
    count.check(sampling(count, greedy) == {**ours, "temperature": 0}, "do_sample false is greedy")
    count.check(sampling(count, greedy, "--llm-temperature", "0.9")["temperature"] == 0.9, "unless told otherwise")
    silent = Folder(generation_config__json={"temperature": None, "top_k": "many"})
    count.check(sampling(count, silent) == ours, "null says nothing")
    wild = Folder(generation_config__json={"temperature": -3, "top_p": 1e99, "top_k": "9", "eos_token_id": [1, -7, "x", 2**40]})
    done = generate(wild, "--prompt", "Hi")
    count.check(done.returncode == 0 and json.loads(done.stdout)["sampling"] == ours, done)
    for words in ("temperature: -3", "top_p: 1e+99", "top_k: a string, expected a number", "eos_token_id: 3 of 4 passed over"):
        count.check(words in done.stderr.decode(), words, done)
    done = generate(Folder(generation_config__json="{"), "--prompt", "Hi")
    count.check(done.returncode == 1 and b"generation_config.json: line 1" in done.stderr, done)


def check_ends(count):
    prompt = ["--raw", "--prompt", "At night the cellar is", "--llm-temperature", "0"]
    f = Folder()
    answer = json.loads(generate(f, *prompt).stdout)
    count.check(answer["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 6, answer)
    ids = ask(["tokenize", "--model", f.path], [{"case": 1, "text": "At night the cellar is"}])[0]["ids"]
    greedy = ask(["logits", "--model", f.path], [{"case": 1, "ids": ids, "greedy": 6}])[0]["greedy"]
    f.write("generation_config.json", {"eos_token_id": [1, greedy[2]]})
    answer = json.loads(generate(f, *prompt).stdout)
    first = greedy.index(greedy[2])
    count.check(answer["finish_reason"] == "stop" and answer["usage"]["completion_tokens"] == first, answer)
    f.write("generation_config.json", {})
    f.write("config.json", {**json.loads(f.read("config.json")), "eos_token_id": greedy[0]})
    answer = json.loads(generate(f, *prompt).stdout)
    count.check(answer["finish_reason"] == "stop" and answer["text"] == "", "of config.json", answer)


def bytes_tokenizer(n):
    """A tokenizer.json of n tokens: id = byte, and the two last ones special."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 512))
    alphabet = [chr(b) if b in plain else chr(next(rest)) for b in range(256)][:n - 2]
    special = [{"id": n - 2 + i, "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
               for i, t in enumerate(("<s>", "</s>"))]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": {t: i for i, t in enumerate(alphabet)}, "merges": []}}


def check_long_rotation(count):
    """An answer that passes the length where longrope changes its factors (32): each token is that of one full pass."""
    f = Folder(model=source("tests", "golden", "models", "phi3-longrope"))
    f.write("tokenizer.json", bytes_tokenizer(192))
    f.write("generation_config.json", {})
    f.write("config.json", {**json.loads(f.read("config.json")), "eos_token_id": None})
    for n in (20, 29, 31, 32, 40):
        text = "".join(chr(97 + i * 7 % 26) for i in range(n))
        greedy = ask(["logits", "--model", f.path], [{"case": 1, "ids": list(text.encode()), "greedy": 16}])[0]["greedy"]
        expected = ask(["detokenize", "--model", f.path], [{"case": 1, "ids": greedy, "skip_special": True}])[0]["text"]
        answer = json.loads(generate(f, "--raw", "--prompt", text, "--llm-temperature", "0", "--llm-max-new-tokens", "16").stdout)
        count.check(answer["text"] == expected and answer["usage"]["completion_tokens"] == 16, n, answer, "expected", expected)


def main():
    count = Count()
    check_tokens(count)
    check_damaged(count)
    check_templates(count)
    check_plain_prompt(count)
    check_sampling(count)
    check_ends(count)
    check_long_rotation(count)
    count.exit()


main()
