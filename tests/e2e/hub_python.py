# SPDX-License-Identifier: MIT
"""The cache is one with Python's: what huggingface_hub downloads is used by us as it is, what we download is taken by it with the
network off. The real library, from PyPI, in a virtual environment of the test's own; skipped by name without it."""
import json
import os
import subprocess
import sys

import lab
from hub import COMMIT, FILES, NEEDED, Place, read
from hub_server import Fault
from lab import check

python = None


def find_python(folder):
    """An interpreter that has the library, by the name in WATTLE_HUB_PYTHON or fresh."""
    given = os.environ.get("WATTLE_HUB_PYTHON")
    if given:
        return given
    made = os.path.join(folder, "venv")
    if subprocess.run([sys.executable, "-m", "venv", made], capture_output=True).returncode:
        print("skipped: this Python makes no virtual environment")
        sys.exit(lab.SKIP)
    got = subprocess.run([os.path.join(made, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
                          "huggingface_hub"],
                         capture_output=True, timeout=300)
    if got.returncode:
        print("skipped: huggingface_hub can't be fetched from PyPI")
        sys.exit(lab.SKIP)
    return os.path.join(made, "bin", "python")


def ask(p, code, **env):
    """Runs Python code with the library; what it prints as JSON."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR")}
    keep.update(HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_UPDATE_CHECK="1", HF_HUB_DISABLE_TELEMETRY="1",
                HOME=p.home, **p.env, **env)
    r = subprocess.run([python, "-W", "error", "-c", "import json, sys, huggingface_hub as hub\n" + code], env=keep, capture_output=True,
                       timeout=lab.PATIENCE * 2)
    check(r.returncode == 0, r.stderr.decode()[-1500:])
    return json.loads(r.stdout)


SCAN = """
info = hub.scan_cache_dir()
print(json.dumps({"warnings": [str(w) for w in info.warnings], "repos": {r.repo_id: [sorted(f.file_name for v in r.revisions for f in v.files),
    sorted(x for v in r.revisions for x in v.refs), r.size_on_disk] for r in info.repos}}))
"""


def ours_by_python(folder):
    p = Place(folder)
    p.hub.queue("model.safetensors", Fault(cut=400))
    p.repository.revisions.add("refs/pr/1")
    p.pull()
    p.pull(name="acme/tiny@refs/pr/1")
    before = len(p.hub.requests)
    found = ask(p, SCAN)
    check(found["warnings"] == [], f"{found}")
    check(found["repos"] == {"acme/tiny": [NEEDED, ["main", "refs/pr/1"], sum(len(FILES[f]) for f in NEEDED)]}, f"{found}")
    paths = ask(p, """print(json.dumps([hub.hf_hub_download("acme/tiny", f) for f in %r] +
        [hub.snapshot_download("acme/tiny", local_files_only=True), hub.snapshot_download("acme/tiny", revision="refs/pr/1"),
         hub.try_to_load_from_cache("acme/tiny", "config.json")]))""" % (NEEDED,), HF_HUB_OFFLINE="1")
    check(paths == [p.file(f) for f in NEEDED] + [p.path("snapshots", COMMIT)] * 2 + [p.file("config.json")], f"{paths}")
    check(len(p.hub.requests) == before, "offline is offline")
    # with the network on it finds nothing to fetch but what we left out
    ask(p, 'print(json.dumps(hub.snapshot_download("acme/tiny")))')
    fetched = [r.path for r in p.hub.requests[before:] if r.method == "GET" and "/resolve/" in r.path]
    check(all(not f.endswith(tuple(NEEDED)) or "original/" in f for f in fetched), f"{fetched}")
    check(len(p.snapshot()) == len(FILES), f"{p.snapshot()}")
    check(ask(p, SCAN)["warnings"] == [], "warnings")
    # what was interrupted is no broken cache for it
    lab.run("models", "remove", "acme/tiny", **p.env)
    p.hub.queue("model.safetensors", Fault(data=b"?" * len(FILES["model.safetensors"])))
    p.pull(code=1)
    check(ask(p, SCAN)["warnings"] == [], "warnings")
    p.hub.close()


def pythons_by_us(folder):
    p = Place(folder)
    got = ask(p, 'print(json.dumps(hub.snapshot_download("acme/tiny", ignore_patterns=["*.bin", "*.h5", "*.onnx"])))')
    check(got == p.path("snapshots", COMMIT), got)
    before = len(p.hub.requests)
    out = json.loads(p.pull("--json", HF_HUB_OFFLINE="1"))
    check(out["path"] == got and len(p.hub.requests) == before, f"{out}")
    out = json.loads(p.pull("--json"))
    check(out["fetched_bytes"] == 0 and out["path"] == got, f"{out}")
    check(len(p.hub.requests) == before + 1, f"{p.hub.requests[before:]}")
    code, out, err = lab.run("models", "verify", "acme/tiny", **p.env)
    check(code == 0 and "bad" not in out, f"{out} {err}")
    # one file more of the same snapshot, a part of the rest by Python: links and refs stay what they were
    lab.run("models", "remove", "acme/tiny", **p.env)
    ask(p, 'print(json.dumps(hub.hf_hub_download("acme/tiny", "config.json")))')
    link = os.readlink(p.file("config.json"))
    p.pull()
    p.is_whole()
    check(os.readlink(p.file("config.json")) == link and read(p.path("refs", "main")) == COMMIT.encode(), "the link is Python's")
    # and it may go on with what we were cut at, we with what it was
    check(ask(p, SCAN)["warnings"] == [], "warnings")
    p.hub.close()


if __name__ == "__main__":
    with lab.Folder() as shared:
        python = find_python(shared)
        lab.main(ours_by_python, pythons_by_us)
