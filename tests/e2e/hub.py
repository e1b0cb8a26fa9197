# SPDX-License-Identifier: MIT
"""wattle pull and wattle models against a hub of our own: what is fetched, how it lies, every refusal, cuts, redirects, wrong
bytes, hostile answers."""
import fcntl
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import threading

import lab
from hub_server import Fault, Hub, git_id, sha256
from lab import check

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 4 + b"end" * 25  # 1099 bytes
FILES = {
    "config.json": b'{"model_type":"llama"}', "generation_config.json": b"{}", "tokenizer.json": b'{"model":{}}',
    "tokenizer_config.json": b'{"a":1}', "README.md": b"read me", "model.safetensors": WEIGHTS, "pytorch_model.bin": b"pickle" * 99,
    "model.onnx": b"o" * 99, "original/consolidated.safetensors": b"c" * 99, "tf_model.h5": b"h" * 99,
}
NEEDED = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


class Place:
    """A hub, a cache of its own, and pulls."""

    def __init__(self, folder, files=None, name="acme/tiny"):
        self.hub, self.name = Hub(), name
        self.repository = self.hub.add(name, dict(FILES if files is None else files))
        self.home = os.path.join(folder, "hf")
        self.cache = os.path.join(self.home, "hub", "models--" + name.replace("/", "--"))
        self.env = {"HF_HOME": self.home, "HF_ENDPOINT": self.hub.url, "LLM_PACKED_DIR": os.path.join(folder, "packed")}

    def pull(self, *args, code=0, name=None, **env):
        got, out, err = lab.run("pull", name or self.name, *args, **{**self.env, **env})
        check(got == code, f"exit {got}, expected {code}: {out} {err}")
        return out if code == 0 else err

    def path(self, *parts):
        return os.path.join(self.cache, *parts)

    def file(self, path):
        return self.path("snapshots", COMMIT, path)

    def snapshot(self):
        found = []
        for folder, _, names in os.walk(self.path("snapshots", COMMIT)):
            found += [os.path.relpath(os.path.join(folder, n), self.path("snapshots", COMMIT)) for n in names]
        return sorted(found)

    def blobs(self):
        return sorted(os.listdir(self.path("blobs"))) if os.path.isdir(self.path("blobs")) else []

    def is_whole(self, files=NEEDED):
        check(self.snapshot() == sorted(files), f"{self.snapshot()}")
        for f in files:
            link = os.readlink(self.file(f))
            up = "../" * (2 + f.count("/"))
            check(link == f"{up}blobs/{self.repository.etag(f)}", f"{f} -> {link}")
            check(read(self.file(f)) == self.repository.files[f], f"{f} is not what the hub has")
        check(read(self.path("refs", "main")) == COMMIT.encode(), "refs/main")
        check(not [b for b in self.blobs() if "." in b], f"{self.blobs()}")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def one_line(err, *words):
    lines = err.strip().split("\n")
    check(len(lines) == 1 and lines[0].startswith("wattle pull: "), f"not one line: {err}")
    for word in words:
        check(word in err, f"'{word}' is not in: {err}")


def what_is_needed(folder):
    p = Place(folder)
    out = p.pull()
    check(out.split("\n")[0] == p.path("snapshots", COMMIT), out)
    size = sum(len(FILES[f]) for f in NEEDED)
    check(out.split("\n")[1] == f"{size} bytes fetched, 0 bytes reused", out)
    p.is_whole()
    check(os.path.isfile(os.path.join(p.home, "hub", "CACHEDIR.TAG")), "CACHEDIR.TAG")
    before = len(p.hub.requests)
    again = json.loads(p.pull("--json"))
    check(len(p.hub.requests) == before + 1, f"{p.hub.requests[before:]}")  # the API alone
    check(again["fetched_bytes"] == 0 and again["reused_bytes"] == size and again["files"] == 5, f"{again}")
    check(again["path"] == again["snapshot"] == p.path("snapshots", COMMIT) and again["commit"] == COMMIT, f"{again}")
    check(all(r.headers["User-Agent"].startswith("wattle/") for r in p.hub.requests), "user agent")
    p.hub.close()


def revisions(folder):
    p = Place(folder)
    p.repository.revisions.add("refs/pr/1")
    p.pull(name="acme/tiny@refs/pr/1")
    check(read(p.path("refs", "refs", "pr", "1")) == COMMIT.encode(), "ref")
    check(p.hub.asked("revision/refs%2Fpr%2F1"), f"{p.hub.requests}")
    p.pull(name="acme/tiny@" + COMMIT)
    check(sorted(os.listdir(p.path("refs"))) == ["refs"], "a commit has no ref")
    p.pull()
    p.is_whole()
    for bad in ("a/b/c", "../x", "a/..", "/abs", "acme/tiny@", "a\\b", "acme/tiny@../../x"):
        code, _, err = lab.run("pull", bad, **p.env)
        check(code == 2 and err.count("\n") == 1, f"{bad}: {code} {err}")
    p.hub.close()


def cut_and_resumed(folder):
    """v-hf2: one complete file after a cut, the rest by range."""
    p = Place(folder)
    p.hub.queue("model.safetensors", Fault(cut=400), Fault(cut=100))
    p.pull()
    p.is_whole()
    ranges = [r.headers.get("Range") for r in p.hub.asked("model.safetensors", "cdn")]
    check(ranges == [None, "bytes=400-", "bytes=500-"], f"{ranges}")
    check(p.hub.asked("model.safetensors", "cdn")[1].headers["If-Range"] == f'"cdn-{len(WEIGHTS)}"', "If-Range")
    p.hub.close()


def cut_and_changed(folder):
    """A file that no sha256 tells of goes on only as what it began as."""
    p = Place(folder)
    p.hub.plain_api = True
    text = FILES["tokenizer_config.json"]
    p.hub.queue("tokenizer_config.json", Fault(cut=3, data=b"<><><>X", etag='W/"page"'), Fault(etag='"other"'))
    p.pull()
    p.is_whole()
    ranges = [r.headers.get("Range") for r in p.hub.asked("tokenizer_config.json")]
    check(ranges == [None, "bytes=3-", None], f"{ranges}")
    check(read(p.file("tokenizer_config.json")) == text, "text")
    p.hub.close()


def interrupted_and_resumed(folder):
    p = Place(folder)
    hold = threading.Event()
    p.hub.queue("model.safetensors", Fault(hold=hold, after=400))
    part = p.path("blobs", sha256(WEIGHTS) + ".incomplete")
    program = lab.Program("pull", p.name, **p.env)
    others = sorted([p.repository.etag(f) for f in NEEDED if f != "model.safetensors"] + [os.path.basename(part)])
    lab.wait_for(lambda: p.blobs() == others and os.path.getsize(part) == 400, "the first 400 bytes and the other files")
    program.signal(signal.SIGINT)
    check(program.end(10) == 130, f"exit code: {program.err.all}")
    hold.set()
    check(os.path.getsize(part) == 400, "the part is kept")
    check(p.snapshot() == [] and not os.path.exists(p.path("refs", "main")), "nothing is linked before all is there")
    out = json.loads(p.pull("--json"))
    p.is_whole()
    check(p.hub.asked("model.safetensors", "cdn")[-1].headers["Range"] == "bytes=400-", f"{p.hub.requests}")
    check(out["reused_bytes"] >= 400 and out["fetched_bytes"] == len(WEIGHTS) - 400, f"{out}")
    p.hub.close()


def ranges_that_fail(folder):
    """v-hf6 and its like: a range that is ignored, another range, a part that is longer than the file, a damaged part."""
    for number, (part, fault, plain) in enumerate([
            (WEIGHTS[:400], Fault(no_range=True), False), (WEIGHTS[:400], Fault(range="bytes 300-1098/1099"), False),
            (WEIGHTS + b"more", None, False), (WEIGHTS + b"more", None, True), (WEIGHTS, None, True), (b"X" * 400, None, False),
            (WEIGHTS[:400], Fault(no_range=True, cut=300), False), (b"X" * len(WEIGHTS), None, False)]):
        p = Place(os.path.join(folder, str(number)))
        p.hub.plain_api = plain
        os.makedirs(p.path("blobs"))
        with open(p.path("blobs", sha256(WEIGHTS) + ".incomplete"), "wb") as f:
            f.write(part)
        if fault:
            p.hub.queue("model.safetensors", fault)
        p.pull()
        p.is_whole()
        p.hub.close()
    # a pipe in its place, whose reader would wait for ever
    p = Place(os.path.join(folder, "pipe"))
    os.makedirs(p.path("blobs"))
    os.mkfifo(p.path("blobs", sha256(WEIGHTS) + ".incomplete"))
    one_line(p.pull(code=1), "not a regular file")
    p.hub.close()


def without_sizes(folder):
    """The API gives names alone: size and etag come with the file."""
    p = Place(folder)
    p.hub.plain_api = True
    p.hub.queue("api", Fault(status=404))  # it does not know the address with ?blobs=true
    p.hub.queue("model.safetensors", Fault(cut=400))
    p.hub.queue("tokenizer.json", Fault(chunked=True))
    p.hub.queue("config.json", Fault(no_length=True))
    p.pull()
    p.is_whole()
    before = len(p.hub.requests)
    check(json.loads(p.pull("--json"))["fetched_bytes"] == 0, "nothing is fetched twice")
    check(len(p.hub.requests) > before + 1, "it had to ask")
    p.hub.close()


def token_stays(folder):
    """To the hub only: not to the other host that it sends us to."""
    p = Place(folder)
    p.hub.token = "hf_secret"
    p.hub.queue("model.safetensors", Fault(cut=400))
    p.pull(HF_TOKEN="hf_secret")
    p.is_whole()
    check(len(p.hub.asked("", "cdn")) == 2, f"{p.hub.requests}")
    for r in p.hub.requests:
        check(r.headers.get("Authorization") == ("Bearer hf_secret" if r.server == "hub" else None), f"{r} {r.headers}")
        check("secret" not in str(r.headers) or r.server == "hub", f"{r.headers}")
    # from the file that `hf auth login` writes
    with open(os.path.join(p.home, "token"), "w") as f:
        f.write("hf_secret\n")
    before = len(p.hub.requests)
    p.pull()
    check(p.hub.requests[before].headers["Authorization"] == "Bearer hf_secret", "token file")
    # a host that we were sent to and that sends us back gets nothing either
    p.hub.queue("resolve/model.safetensors", Fault(redirect=p.hub.cdn + "/blob/back"))
    p.hub.served["back"] = b""
    p.hub.queue("back", Fault(redirect=p.hub.url + "/acme/tiny/resolve/main/model.safetensors"))
    lab.run("models", "remove", "acme/tiny", **p.env)
    before = len(p.hub.requests)
    p.pull()
    p.is_whole()
    back = [r for r in p.hub.requests[before:] if r.path == "/acme/tiny/resolve/main/model.safetensors"]
    check(len(back) == 1 and back[0].headers.get("Authorization") is None, f"{back}")
    one_line(p.pull(code=1, HF_TOKEN="hf_wrong"), "does not take the access token", "HF_TOKEN")
    code, _, err = lab.run("pull", p.name, **{**p.env, "HF_TOKEN": "hf bad"})
    check(code == 2 and "hf bad" not in err, f"{code} {err}")
    p.hub.close()


def refusals(folder):
    p = Place(folder)
    p.hub.gated["acme/gated"] = "hf_good"
    p.hub.add("acme/gated", FILES)
    # v-hf5: gated, no retry loop
    one_line(p.pull(code=1, name="acme/gated"), "gated", "accept the licence", p.hub.url + "/acme/gated", "HF_TOKEN")
    check(len(p.hub.requests) == 1, f"{p.hub.requests}")
    one_line(p.pull(code=1, name="acme/gated", HF_TOKEN="hf_other"), "gated", "accept the terms")
    p.pull(name="acme/gated", HF_TOKEN="hf_good")
    one_line(p.pull(code=1, name="acme/absent"), "no model 'acme/absent'", "spelling", "HF_TOKEN")
    one_line(p.pull(code=1, name="acme/absent", HF_TOKEN="x"), "no model 'acme/absent'", "HTTP 404")
    one_line(p.pull(code=1, name="acme/tiny@nope"), "no revision 'nope'")
    p.hub.queue("api", Fault(status=403))
    one_line(p.pull(code=1), "HTTP 403", "HF_TOKEN")
    p.hub.queue("api", Fault(status=404), Fault(status=404))
    one_line(p.pull(code=1), "HTTP 404", "set HF_TOKEN")
    p.hub.queue("api", Fault(status=418))
    one_line(p.pull(code=1), "HTTP 418")
    # too often: a wait that is too long is said, one that is short is kept
    before = len(p.hub.requests)
    p.hub.queue("api", Fault(status=429, headers={"Retry-After": "3600"}))
    one_line(p.pull(code=1), "HTTP 429", "wait 3600 s", "HF_TOKEN")
    check(len(p.hub.requests) == before + 1, "not asked again")
    p.hub.queue("api", Fault(status=429, headers={"Retry-After": "1"}))
    p.hub.queue("model.safetensors", Fault(status=503), Fault(status=502))
    p.pull()
    p.is_whole()
    lab.run("models", "remove", "acme/tiny", **p.env)
    p.repository.files["model.safetensors"] = WEIGHTS
    p.hub.queue("model.safetensors", *[Fault(status=503) for _ in range(5)])
    err = p.pull(code=1)
    check(err.strip().split("\n")[-1].startswith("wattle pull: ") and "HTTP 503" in err and "try later" in err, err)
    # nobody there
    got, _, err = lab.run("pull", p.name, "--quiet", **{**p.env, "HF_ENDPOINT": f"http://127.0.0.1:{lab.free_port()}"})
    check(got == 1, f"{got}")
    one_line(err, "check the network", "HF_ENDPOINT")
    got, _, err = lab.run("pull", p.name, **{**p.env, "HF_ENDPOINT": "ftp://127.0.0.1"})
    check(got != 0 and "ftp://127.0.0.1" in err, f"{got} {err}")
    p.hub.close()


def wrong_bytes(folder):
    p = Place(folder)
    bad = b"Z" * len(WEIGHTS)
    p.hub.queue("model.safetensors", Fault(data=bad))
    one_line(p.pull(code=1), "model.safetensors", "wrong checksum", sha256(bad)[:12], sha256(WEIGHTS)[:12])
    check(p.snapshot() == [] and not [b for b in p.blobs() if sha256(WEIGHTS) in b], f"{p.blobs()}")
    p.hub.queue("model.safetensors", Fault(data=WEIGHTS + b"more"))
    one_line(p.pull(code=1), "model.safetensors", "longer than its 1099 bytes")
    lab.run("models", "remove", p.name, **p.env)
    p.hub.queue("config.json", Fault(data=b"<html>"))
    one_line(p.pull(code=1), "config.json", "6 bytes", "22")
    # a page in the place of a part: the size would be right
    p.hub.queue("tokenizer.json", Fault(data=b"<html>", no_length=True))
    p.pull()
    p.is_whole()
    p.hub.close()


def hostile_answers(folder):
    p = Place(folder)
    good = {"sha": COMMIT, "siblings": [{"rfilename": "model.safetensors", "size": 5}]}
    for name in ("../x", "/etc/passwd", "a/../../x", "a\\b", "a\x00b", "", ".", "..", "a//b", "x" * 300, "a/" * 600 + "x", "a\nb", 5, None):
        answer = {"sha": COMMIT, "siblings": [{"rfilename": "config.json"}, {"rfilename": name}]}
        p.hub.answer = json.dumps(answer).encode()
        one_line(p.pull(code=1), "the hub's answer about 'acme/tiny'")
    for answer in (b"", b"<html>not the hub</html>", b"[]", b"{}", b"null", b'{"sha":5,"siblings":[]}', b'{"sha":"../x","siblings":[]}',
                   b'{"siblings":{}}', b'{"siblings":[5]}', b"[" * 100000, b'{"siblings":' + b"[" * 100000, json.dumps(good).encode()[:-1],
                   b'{"siblings":[],"siblings":[]}'):
        p.hub.answer = answer or b" "
        one_line(p.pull(code=1), "the hub's answer about 'acme/tiny'")
    # 100,001 files, and more bytes than an answer may have
    p.hub.answer = json.dumps({"sha": COMMIT, "siblings": [{"rfilename": f"f{i}"} for i in range(100001)]}).encode()
    one_line(p.pull(code=1), "more than 100000 files")
    p.hub.answer = b" " * (33 << 20)
    one_line(p.pull(code=1), "the hub's answer")
    p.hub.answer = json.dumps({"sha": COMMIT, "siblings": [{"rfilename": f"f{i}"} for i in range(99999)]}).encode()
    one_line(p.pull(code=1), "no weights")
    p.hub.answer = None
    check(p.blobs() == [] and not os.path.exists(os.path.join(folder, "x")), "nothing was written")
    # headers without end, no HTTP, redirects without end and to nowhere, an etag that is a path
    flood = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(200)) + b"\r\n"
    p.hub.queue("api", Fault(raw=flood))
    one_line(p.pull(code=1), "headers")
    p.hub.queue("api", Fault(raw=b"SSH-2.0-OpenSSH_9.2\r\n"))
    one_line(p.pull(code=1), "acme/tiny", "HTTP/0.9")
    p.hub.queue("api", *[Fault(redirect="/api/models/acme/tiny/revision/main") for _ in range(12)])
    one_line(p.pull(code=1), "more than 9 redirects")
    p.hub.faults.clear()
    for to in ("file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "http://"):
        p.hub.queue("api", Fault(redirect=to))
        one_line(p.pull(code=1), "leads to")
    p.hub.plain_api = True
    p.hub.queue("resolve/model.safetensors", Fault(raw=b'HTTP/1.1 200 OK\r\nETag: "../../x"\r\nContent-Length: 1\r\n\r\nx'))
    one_line(p.pull(code=1), "without an ETag")
    p.hub.close()


def gguf(folder):
    files = {"README.md": b"r", "config.json": b"{}", "tiny-Q4_K_M.gguf": b"GGUF4" * 100, "tiny-Q8_0.gguf": b"GGUF8" * 200,
             "mmproj-f16.gguf": b"m", "big/tiny-F32-00001-of-00002.gguf": b"one", "big/tiny-F32-00002-of-00002.gguf": b"two!"}
    p = Place(folder, files)
    err = p.pull(code=1)
    check("3 GGUF files" in err and "--file" in err, err)
    for line in ("  tiny-Q4_K_M.gguf  (500 B)", "  tiny-Q8_0.gguf  (1.0 kB)", "  big/tiny-F32-00001-of-00002.gguf  (7 B)"):
        check(line in err.split("\n"), f"{line}: {err}")
    err = p.pull("--file", "tiny-Q5.gguf", code=1)
    check("no file 'tiny-Q5.gguf'" in err and "  tiny-Q8_0.gguf" in err, err)
    check(p.snapshot() == [], "nothing yet")
    out = p.pull("--file", "tiny-Q8_0.gguf")
    check(out.split("\n")[0] == p.file("tiny-Q8_0.gguf"), out)
    p.is_whole(["tiny-Q8_0.gguf"])
    # two of them there: it is said which, and the hub is not asked
    p.pull("--file", "tiny-Q4_K_M.gguf")
    before = len(p.hub.requests)
    code, _, err = lab.run("generate", "--model", p.name, "--prompt", "a", **p.env)
    check(code == 1 and "2 .gguf files" in err and "tiny-Q4_K_M.gguf" in err and len(p.hub.requests) == before, f"{code} {err}")
    lab.run("models", "remove", p.name, **p.env)
    p.pull("--file", "tiny-Q8_0.gguf")
    out = p.pull("--file", "tiny-F32-00002-of-00002.gguf")
    check(out.split("\n")[0] == p.file("big/tiny-F32-00001-of-00002.gguf"), out)
    p.is_whole(["tiny-Q8_0.gguf", "big/tiny-F32-00001-of-00002.gguf", "big/tiny-F32-00002-of-00002.gguf"])
    p.hub.close()
    # the only one there is
    p = Place(folder, {"a.gguf": b"GGUF", "imatrix.gguf": b"i", "config.json": b"{}"}, "acme/one")
    check(p.pull().split("\n")[0] == p.file("a.gguf"), "path")
    p.is_whole(["a.gguf"])
    p.hub.close()
    p = Place(folder, {"m-00001-of-00002.gguf": b"GGUF", "m-00002-of-00002.gguf": b"two"}, "acme/split")
    check(p.pull().split("\n")[0] == p.file("m-00001-of-00002.gguf"), "path")
    p.is_whole(list(p.repository.files))
    p.hub.close()


def kinds(folder):
    p = Place(folder, {"config.json": b"{}", "pytorch_model.bin": b"p", "tokenizer.json": b"{}"})
    one_line(p.pull(code=1), "pickles", "can run code", ".safetensors")
    p.hub.close()
    p = Place(folder, {"README.md": b"r"}, "acme/empty")
    one_line(p.pull(code=1), "no weights")
    p.hub.close()
    sharded = {"config.json": b"{}", "model.safetensors.index.json": b"{ }", "model-00001-of-00002.safetensors": b"1" * 50,
               "model-00002-of-00002.safetensors": b"2" * 50, "consolidated.safetensors": b"c" * 9, "tokenizer.model": b"t",
               "pytorch_model.bin": b"p"}
    p = Place(folder, sharded, "acme/sharded")
    check(p.pull().split("\n")[0] == p.path("snapshots", COMMIT), "path")
    p.is_whole([f for f in sharded if f not in ("consolidated.safetensors", "pytorch_model.bin")])
    p.hub.close()
    # the same bytes under two names are one blob
    p = Place(folder, {"config.json": b"{}", "generation_config.json": b"{}", "model.safetensors": b"w", "vocab.json": b""}, "acme/twins")
    p.pull()
    p.is_whole(list(p.repository.files))
    check(len(p.blobs()) == 3, f"{p.blobs()}")
    p.hub.close()


def offline(folder):
    p = Place(folder)
    err = p.pull(code=1, HF_HUB_OFFLINE="1")
    check("HF_HUB_OFFLINE is set" in err and p.hub.requests == [], f"{err} {p.hub.requests}")
    p.pull()
    before = len(p.hub.requests)
    check(p.pull(HF_HUB_OFFLINE="1").split("\n")[0] == p.path("snapshots", COMMIT), "path")
    check(len(p.hub.requests) == before, "nothing was asked")
    p.hub.close()


def no_space(folder):
    p = Place(folder)
    p.hub.answer = json.dumps({"sha": COMMIT, "siblings": [{"rfilename": "config.json", "size": 22}, {
        "rfilename": "model.safetensors", "lfs": {"sha256": sha256(WEIGHTS), "size": 10 ** 18}}]}).encode()
    one_line(p.pull(code=1), "no space", "1.0 EB", "free", "HF_HOME")
    check(len(p.hub.requests) == 1 and p.blobs() == [], f"{p.hub.requests}")
    p.hub.answer = None
    # and in the middle: a limit of file sizes is as good as a full disk

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
    r = subprocess.run([lab.WATTLE, "pull", p.name], preexec_fn=limit, restore_signals=False, env=lab.environment(**p.env),
                       capture_output=True, timeout=lab.PATIENCE)
    check(r.returncode == 1, f"{r}")
    one_line(r.stderr.decode(), "no space left", "600 B of 1.1 kB", "kept")
    check(os.path.getsize(p.path("blobs", sha256(WEIGHTS) + ".incomplete")) == 600, "the part is kept")
    p.pull()
    p.is_whole()
    check(p.hub.asked("model.safetensors", "cdn")[-1].headers["Range"] == "bytes=600-", f"{p.hub.requests}")
    p.hub.close()


def side_by_side(folder):
    """Four files at a time; what another process has is waited for; a stalled one is cut and goes on."""
    p = Place(folder)
    meet = threading.Barrier(4)
    for f in NEEDED[:2] + NEEDED[3:]:
        p.hub.queue(f, Fault(meet=meet))
    p.pull()
    check(not meet.broken and p.hub.most_active >= 4, f"{p.hub.most_active}")
    lab.run("models", "remove", p.name, **p.env)
    p.hub.most_active = 0
    p.pull("--jobs", "1")
    check(p.hub.most_active == 1, f"{p.hub.most_active}")
    lab.run("models", "remove", p.name, **p.env)
    locks = os.path.join(p.home, "hub", ".locks", "models--acme--tiny")
    os.makedirs(locks)
    with open(os.path.join(locks, sha256(WEIGHTS) + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = lab.Program("pull", p.name, **p.env)
        program.err.wait(lambda s: "another process" in s, "that it waits")
        code, _, err = lab.run("models", "remove", p.name, **p.env)
        check(code == 1 and "another process" in err, f"{code} {err}")
    check(program.end() == 0, f"{program.err.all}")
    p.is_whole()
    lab.run("models", "remove", p.name, **p.env)
    hold = threading.Event()
    p.hub.queue("model.safetensors", Fault(hold=hold, after=400))
    p.pull(HF_HUB_DOWNLOAD_TIMEOUT="1")
    hold.set()
    p.is_whole()
    p.hub.close()


def through_a_proxy(folder):
    p = Place(folder)
    p.pull(HF_ENDPOINT="http://hub.invalid", http_proxy=p.hub.url, no_proxy="127.0.0.1")
    p.is_whole()
    check(p.hub.proxied == 6, f"{p.hub.proxied}")  # the API and five files; the other host is not for the proxy
    p.hub.close()


def over_https(folder):
    """A certificate that nobody vouches for is refused at once, one that SSL_CERT_FILE knows is taken; never from https to http."""
    pem = os.path.join(folder, "pem")
    made = subprocess.run([lab.find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                           "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", pem + ".key", "-out", pem],
                          capture_output=True)
    check(made.returncode == 0, made.stderr.decode())
    with open(pem + ".both", "wb") as f:
        f.write(read(pem + ".key") + read(pem))
    p = Place(folder)
    plain = p.hub.cdn
    p.env["HF_ENDPOINT"] = p.hub.start("hub", pem + ".both")
    one_line(p.pull(code=1), "certificate")
    check(p.hub.requests == [], f"{p.hub.requests}")
    p.env["SSL_CERT_FILE"] = pem
    one_line(p.pull(code=1, HF_TOKEN="hf_x"), "from https to http")
    check(p.hub.asked("", "cdn") == [], f"{p.hub.requests}")
    p.hub.cdn = p.hub.start("cdn", pem + ".both")
    check(p.hub.cdn != plain, "another host")
    p.pull(HF_TOKEN="hf_x")
    p.is_whole()
    check(all(r.headers.get("Authorization") is None for r in p.hub.asked("", "cdn")), "the token stays")
    p.hub.close()


def progress(folder):
    """A bar on a terminal, lines elsewhere, nothing with --quiet."""
    p = Place(folder)
    hold = threading.Event()
    p.hub.queue("model.safetensors", Fault(hold=hold, after=400))
    near, far = pty.openpty()
    with open(os.devnull) as nothing:
        program = subprocess.Popen([lab.WATTLE, "pull", p.name], env=lab.environment(**p.env), stdin=nothing, stdout=subprocess.PIPE, stderr=far)
    lab.started.append(program)
    os.close(far)
    shown = b""
    while b" of 1.1 kB" not in shown:
        shown += os.read(near, 4096)
    hold.set()
    try:
        while True:
            shown += os.read(near, 4096)
    except OSError:
        pass  # the other end is closed
    check(program.wait(lab.PATIENCE) == 0, f"{shown}")
    check(b"\r[" in shown and b"100 %" in shown and shown.endswith(b"\x1b[K\r\n"), f"{shown}")
    lab.run("models", "remove", p.name, **p.env)
    p.hub.queue("model.safetensors", Fault(cut=400))
    code, out, err = lab.run("pull", p.name, **p.env)
    check(code == 0 and "model.safetensors: " in err and "trying again in" in err and "\r" not in err, f"{code} {err}")
    lab.run("models", "remove", p.name, **p.env)
    p.hub.queue("model.safetensors", Fault(cut=400))
    code, out, err = lab.run("pull", p.name, "--quiet", **p.env)
    check(code == 0 and err == "" and len(out.split("\n")) == 3, f"{code} {out} {err}")
    p.hub.close()


def cases_of_the_layout(folder):
    """v-hf3, v-hf4: a ref with a newline; a link that leads nowhere is listed, told when loaded, and repaired by a pull."""
    for name in ("v-hf3-ref-newline.json", "v-hf4-broken-link.json"):
        case = json.load(open(os.path.join(lab.SOURCE, "tests", "cases", "hub", name), encoding="utf-8"))
        p = Place(os.path.join(folder, name), {"config.json": b"{}", "model.safetensors": WEIGHTS})
        root = os.path.join(p.home, case["root"])
        for path, text in case["files"].items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as f:
                f.write(text)
        for path, to in case["links"].items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            os.symlink(to, os.path.join(root, path))
        code, out, err = lab.run("models", "--json", **p.env)
        model = json.loads(out)["models"][0]
        check(code == 0 and model["model"] == "acme/tiny", f"{code} {out} {err}")
        check(model["complete"] == ("hf3" in name), f"{model}")
        if "hf4" in name:
            code, out, err = lab.run("models", **p.env)
            check("acme/tiny" in out and "incomplete" in out, out)
            code, _, err = lab.run("pull", p.name, **{**p.env, **case["env"]})
            check(code == 1 and "blobs/gone" in err and "incomplete" in err, err)
        p.pull()
        p.is_whole(["config.json", "model.safetensors"])
        p.hub.close()


def models(folder):
    p = Place(folder)
    code, out, _ = lab.run("models", **p.env)
    check(code == 0 and out.startswith("0 models"), f"{code} {out}")
    p.pull()
    code, out, _ = lab.run("models", "list", **p.env)
    check(code == 0 and out.split("\n")[1].split()[0] == "acme/tiny" and "complete" in out, out)
    code, out, _ = lab.run("models", "--json", **p.env)
    m = json.loads(out)["models"][0]
    check(m["files"] == 5 and m["size_bytes"] == sum(len(FILES[f]) for f in NEEDED) and m["problem"] is None, f"{m}")
    code, out, err = lab.run("models", "verify", **p.env)
    check(code == 0 and out.count("good") == 5, f"{code} {out} {err}")
    with open(p.path("blobs", sha256(WEIGHTS)), "r+b") as f:
        f.write(b"X")
    os.remove(p.path("blobs", git_id(FILES["config.json"])))
    code, out, err = lab.run("models", "verify", "acme/tiny", "--json", **p.env)
    results = {f["file"]: f["result"] for f in json.loads(out)[0]["files"]}
    check(code == 1 and results["model.safetensors"] == "bad" and results["config.json"] == "missing", f"{code} {out} {err}")
    check("2 files are not what the hub gave" in err, err)
    code, out, err = lab.run("models", "remove", "acme/tiny", **p.env)
    check(code == 0 and not os.path.exists(p.cache), f"{code} {out} {err}")
    check(os.listdir(os.path.join(p.home, "hub", ".locks")) == [], "locks")
    for words, expected in ((["remove", "acme/tiny"], 1), (["verify", "acme/tiny"], 1), (["remove"], 2), (["remove", "../x"], 2),
                            (["remove", "a/b@c"], 2), (["drop"], 2), (["list", "x"], 2)):
        code, out, err = lab.run("models", *words, **p.env)
        check(code == expected and err.count("\n") == 1 and not out, f"{words}: {code} {out} {err}")
    p.hub.close()


def places(folder):
    """HF_HUB_CACHE before HF_HOME before XDG_CACHE_HOME before ~/.cache."""
    hub = Hub()
    hub.add("acme/tiny", dict(FILES))
    home, env = os.path.join(folder, "home"), {"HF_ENDPOINT": hub.url}
    for more, expected in (({"HF_HUB_CACHE": folder + "/1", "HF_HOME": folder + "/2"}, "1"), ({"HF_HOME": folder + "/2"}, "2/hub"),
                           ({"XDG_CACHE_HOME": folder + "/3"}, "3/huggingface/hub"), ({}, "home/.cache/huggingface/hub")):
        code, out, err = lab.run("pull", "acme/tiny", **{**env, "HOME": home, **more})
        check(code == 0 and out.startswith(f"{folder}/{expected}/models--acme--tiny/snapshots/"), f"{expected}: {out} {err}")
    hub.close()


def first_use(folder):
    """A command that needs the model fetches it; offline it says why not; Ctrl-C in between is an interrupted command."""
    small = read(os.path.join(lab.SOURCE, "tests", "golden", "gguf", "llama-gqa-tied-q8_0.gguf"))
    p = Place(folder, {"small.gguf": small, "config.json": b"{}"})
    with open(os.path.join(folder, "lines"), "w") as f:
        f.write('{"case":"a","ids":[1,2],"positions":[-1],"greedy":1}\n')
    prompt = ("logits", "--model", p.name, "--input", os.path.join(folder, "lines"))
    code, _, err = lab.run(*prompt, **p.env, HF_HUB_OFFLINE="1")
    check(code == 1 and "HF_HUB_OFFLINE is set" in err and p.hub.requests == [], f"{code} {err}")
    hold = threading.Event()
    p.hub.queue("small.gguf", Fault(hold=hold, after=1000))
    part = p.path("blobs", sha256(small) + ".incomplete")
    program = lab.Program(*prompt, **p.env)
    lab.wait_for(lambda: os.path.isfile(part) and os.path.getsize(part) == 1000, "the first 1000 bytes")
    program.signal(signal.SIGINT)
    check(program.end(10) == 130, f"exit code: {program.err.all}")
    hold.set()
    code, out, err = lab.run(*prompt, **p.env)
    check(code == 0 and "downloading it" in err and json.loads(out)["greedy"], f"{code} {out} {err}")
    p.is_whole(["small.gguf"])
    before = len(p.hub.requests)
    code, _, err = lab.run(*prompt, **p.env)
    check(code == 0 and len(p.hub.requests) == before, f"{code} {err}")
    code, _, err = lab.run("generate", "--model", "acme/absent", "--prompt", "a", **p.env)
    check(code == 1 and "no model 'acme/absent'" in err, f"{code} {err}")
    p.hub.close()


if __name__ == "__main__":
    tests = (what_is_needed, revisions, cut_and_resumed, cut_and_changed, interrupted_and_resumed, ranges_that_fail, without_sizes, token_stays, refusals,
             wrong_bytes, hostile_answers, gguf, kinds, offline, no_space, side_by_side, through_a_proxy, over_https, progress, cases_of_the_layout, models, places, first_use)
    lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
