# SPDX-License-Identifier: MIT
"""wattle compose: Kubernetes and systemd by the rules of their own programs, secrets that are made up, and which files are written or
kept. Skips by name what cannot be had."""
import os
import re
import shutil
import stat
import subprocess
import sys

import compose as base
import lab
from compose import by_shell, compose, read, read_all
from lab import check


def made_up_secrets(folder):
    """Made once, in files of their own that only the containers' user can read; what names them is the same each time."""
    at = lambda *names: os.path.join(folder, *names)
    args = ["--dashboard", "--engine", "--enable-llm", "--llm-model", "org/name"]
    _, err = compose(folder, *args)
    token, key = (open(at("secrets", name), encoding="ascii").read().strip() for name in ("dashboard-token", "engine-key"))
    check(len(token) == len(key) == 32 and token != key, f"{token} {key}")
    check(f"the dashboard's token is {token}, kept in 'secrets/dashboard-token'" in err and key not in err and "holds a secret" not in err, err)
    for name in ("dashboard-token", "engine-key"):
        check(stat.S_IMODE(os.stat(at("secrets", name)).st_mode) == 0o600, name)
    check(open(at("secrets", ".gitignore"), encoding="ascii").read() == "*\n", "nobody commits them")
    text = open(at("docker-compose.yml"), encoding="utf-8").read()
    check(token not in text and key not in text and stat.S_IMODE(os.stat(at("docker-compose.yml")).st_mode) & 0o044, "no secret in it")
    compose(folder, *args)  # no --force
    compose(folder, *args, "--force")
    compose(folder, *args, "--force", "--mqtt-port", "1884")
    check(open(at("secrets", "dashboard-token"), encoding="ascii").read().strip() == token, "the token stays")
    out, _ = compose(folder, *args, "--output", "-")
    check(out == text, "the standard output is the same")
    # each target knows the same one
    for _ in range(2):
        compose(folder, "--dashboard", "--target", "swarm")
        compose(folder, "--dashboard", "--target", "kubernetes")
    check(f'DASHBOARD_TOKEN: "{token}"' in open(at("kubernetes", "11-secrets.yaml"), encoding="utf-8").read(), "of Kubernetes")
    check("file: ./secrets/dashboard-token" in open(at("docker-stack.yml"), encoding="utf-8").read(), "of a swarm")
    # beside an output that lies elsewhere; what is printed alone carries its own
    os.mkdir(at("sub"))
    compose(folder, *args, "--output", "sub/x.yml")
    check(open(at("sub", "secrets", "engine-key"), encoding="ascii").read().strip() != key, "a fleet of its own")
    shutil.rmtree(at("sub", "secrets"))
    out, _ = compose(at("sub"), *args, "--output", "-")
    check(re.search(r"DASHBOARD_TOKEN=[0-9a-f]{32}$", out, re.M) and re.search(r"LLM_API_KEY=[0-9a-f]{32}$", out, re.M), out)
    check(not os.path.exists(at("sub", "secrets")), "nothing is written")
    # the user's own, and what is none
    with open(at("secrets", "dashboard-token"), "w", encoding="ascii") as f:
        f.write("my-own-token\r\n")
    _, err = compose(folder, *args, "--force")
    check("the dashboard's token is my-own-token" in err, err)
    for bad in ("", "short", "two\nlines of it", "x" * 513, "with blanks"):
        with open(at("secrets", "dashboard-token"), "w", encoding="ascii") as f:
            f.write(bad)
        _, err = compose(folder, *args, "--force", code=2)
        check("secrets/dashboard-token" in err and "expected" in err and err.count("\n") == 1, err)
    # a refusal makes nothing
    shutil.rmtree(at("secrets"))
    compose(folder, "--dashboard", "--devices", "7", code=2)
    check(not os.path.exists(at("secrets")), "made for nothing")
    # the dashboard can read what its broker asks for
    with open(at("pw"), "w", encoding="ascii") as f:
        f.write("secret\n")
    for target, name in (("compose", "docker-compose.yml"), ("swarm", "docker-stack.yml")):
        compose(folder, "--dashboard", "--mqtt-username", "u", "--mqtt-password-file", "pw", "--target", target, "--force")
        part = open(at(name), encoding="utf-8").read().partition("\n  dashboard:\n")[2]
        check(part.count("/app/files/mqtt-password-file") == 2 and part.count("/app/files/dashboard-token") == 2, part)


def kubernetes(folder):
    """Each manifest against the schemas that Kubernetes publishes, oldest and newest, unknown fields refused."""
    if not base.python:
        return "skipped: kubernetes-validate can't be fetched from PyPI"
    for name, text in (("p.txt", "hi {{temp}}"), ("pw", "secret\n"), ("m.gguf", "GGUF")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    runs = ([], ["--enable-llm", "--devices", "3", "--llm-devices", "2"],
            ["--enable-llm", "--dashboard", "--memory", "1.5g", "--cpus", "0.25", "--mqtt-username", "u", "--mqtt-password-file", "pw", "--llm-prompt-file",
             "p.txt", "--llm-model", "m.gguf", "--image", "registry.example/wattle:1", "--mqtt-port", "22"], ["--no-mqtt", "--namespace", "default"])
    for n, args in enumerate(runs):
        out, _ = compose(folder, "--target", "kubernetes", "--output", f"k{n}", *args)
        check(f"kubectl apply -f k{n}" in out, out)
        where = os.path.join(folder, f"k{n}")
        paths = [os.path.join(where, name) for name in sorted(os.listdir(where))]
        manifests = read_all("yaml", paths)
        check(manifests == read_all("ruamel", paths), "YAML 1.1 and 1.2 differ")
        check(all(read_all("kubernetes", paths)), "an empty file")
        for path, documents in zip(paths, manifests):
            check((stat.S_IMODE(os.stat(path).st_mode) == 0o600) == ("secrets" in path), path)
            for d in documents:
                check(d["kind"] == "Namespace" or d["metadata"]["namespace"], f"{d}")
                if d["kind"] in ("StatefulSet", "Deployment"):
                    pod_is_bare(d["spec"]["template"]["spec"])
        first = sorted(os.listdir(where))[0]
        check(first == ("10-settings.yaml" if "default" in args else "00-namespace.yaml"), first)
    broker = read("yaml", os.path.join(folder, "k2", "30-broker.yaml"))
    check(broker[0]["spec"]["ports"] == [{"port": 22, "targetPort": 1883, "protocol": "TCP"}], f"{broker[0]}")
    device = read("yaml", os.path.join(folder, "k2", "40-devices.yaml"))[1]["spec"]["template"]["spec"]["containers"][0]
    check(device["resources"]["limits"] == {"cpu": "250m", "memory": "1536Mi"}, f"{device['resources']}")
    for more, mode, note in (([], "ReadWriteOnce", True), (["--access-mode", "ReadWriteMany", "--storage-class", "nfs.example"], "ReadWriteMany", False)):
        _, err = compose(folder, "--target", "kubernetes", "--output", f"k-{mode}", "--enable-llm", "--devices", "2", *more)
        check(("Pending" in err and "--access-mode" in err) == note, err)
        where = os.path.join(folder, f"k-{mode}")
        claims = {d["metadata"]["name"]: d["spec"] for d in read("yaml", os.path.join(where, "20-storage.yaml"))}
        own = read("yaml", os.path.join(where, "40-devices.yaml"))[1]["spec"]["volumeClaimTemplates"][0]["spec"]
        check(claims["huggingface"]["accessModes"] == [mode], f"{claims}")
        check(claims["mqtt-data"]["accessModes"] == own["accessModes"] == ["ReadWriteOnce"], f"{claims} {own}")
        for claim in (*claims.values(), own):
            check(claim.get("storageClassName") == (None if note else "nfs.example"), f"{claim}")
        check(all(read_all("kubernetes", [os.path.join(where, name) for name in sorted(os.listdir(where))])), "not to the schema")
    out, _ = compose(folder, "--target", "kubernetes", "--output", "-")
    with open(os.path.join(folder, "all.yaml"), "w", encoding="utf-8") as f:
        f.write(out)
    check(read("kubernetes", os.path.join(folder, "all.yaml"))[0] == "Namespace", out[:300])


def pod_is_bare(pod):
    c = pod["containers"][0]
    check(pod["automountServiceAccountToken"] is False and pod["securityContext"]["runAsNonRoot"] is True, f"{pod}")
    check(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{pod}")
    check(c["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, f"{c}")
    check("livenessProbe" in c and "readinessProbe" in c and "resources" in c, f"{c}")
    volumes = {v["name"] for v in pod["volumes"]} | {"metrics"}
    check({m["name"] for m in c["volumeMounts"]} <= volumes, f"{c['volumeMounts']} of {volumes}")


def systemd(folder):
    with open(os.path.join(folder, "my 50% prompt.txt"), "w", encoding="utf-8") as f:
        f.write("hi")
    with open(os.path.join(folder, 'a "b": $c%d.gguf'), "w", encoding="utf-8") as f:
        f.write("GGUF")
    out, err = compose(folder, "--target", "systemd", "--devices", "3", "--enable-llm", "--llm-devices", "1,3", "--memory", "512m", "--memory-swap", "1g",
                       "--cpus", "0.333", "--llm-prompt-file", "my 50% prompt.txt", "--llm-model", 'a "b": $c%d.gguf', "--dashboard", "--program", lab.WATTLE)
    check("next: sudo sh systemd/install.sh" in out, out)
    root = os.path.join(folder, "root")
    r = subprocess.run(["sh", os.path.join(folder, "systemd", "install.sh")], env={"PATH": os.environ["PATH"], "DESTDIR": root}, capture_output=True,
                       timeout=lab.PATIENCE)
    check(r.returncode == 0, r.stderr.decode())
    units = os.path.join(root, "etc", "systemd", "system")
    check(sorted(os.listdir(units)) == ["wattle-dashboard.service", "wattle-device@.service", "wattle-devices.target"], f"{os.listdir(units)}")
    etc = os.path.join(root, "etc", "wattle")
    check(all(stat.S_IMODE(os.stat(os.path.join(etc, f)).st_mode) == 0o600 for f in os.listdir(etc)) and len(os.listdir(etc)) == 4, f"{os.listdir(etc)}")
    model = by_shell(os.path.join(etc, "wattle-device@edge-device-03.env"))["LLM_MODEL_NAME"]
    check(model == os.path.join(os.path.realpath(folder), 'a "b": $c%d.gguf'), model)
    check(by_shell(os.path.join(etc, "wattle-device@edge-device-02.env"))["ENABLE_LLM"] == "false", "device 2 has none")
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        return "skipped: systemd-analyze is not installed"
    instance = os.path.join(units, "wattle-device@edge-device-01.service")
    shutil.copy(os.path.join(units, "wattle-device@.service"), instance)
    for unit in (instance, os.path.join(units, "wattle-dashboard.service"), os.path.join(units, "wattle-devices.target")):
        r = subprocess.run([analyze, "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, timeout=lab.PATIENCE)
        said = [line for line in r.stderr.decode().split("\n") if os.path.basename(units) in line or "wattle" in line]
        check(not said, f"{said}")


def files_are_kept(folder):
    """Nothing is overwritten unasked, nothing is half written, wrong use is one line and exit 2."""
    path = os.path.join(folder, "docker-compose.yml")
    compose(folder, "--devices", "2")
    before = open(path, encoding="utf-8").read()
    compose(folder, "--devices", "2")  # the same again
    _, err = compose(folder, "--devices", "3", code=2)
    check("docker-compose.yml" in err and "--force" in err and err.count("\n") == 1, err)
    check(open(path, encoding="utf-8").read() == before, "it was touched")
    compose(folder, "--devices", "3", "--force")
    check(open(path, encoding="utf-8").read() != before, "it was not replaced")
    compose(folder, "--target", "kubernetes")
    with open(os.path.join(folder, "kubernetes", "40-devices.yaml"), "w", encoding="utf-8") as f:
        f.write("mine\n")
    os.unlink(os.path.join(folder, "kubernetes", "10-settings.yaml"))
    compose(folder, "--target", "kubernetes", code=2)
    check(not os.path.exists(os.path.join(folder, "kubernetes", "10-settings.yaml")), "one of several was written")
    check(not [f for _, _, files in os.walk(folder) for f in files if f.endswith(".part")], "a part was left")
    out, _ = compose(folder, "--output", "-", "--devices", "1000")
    check(out.count("container_name:") == 1001, "a thousand")
    for args, text in ((["--devices", "0"], "--devices"), (["--devices", "1001"], "--devices"), (["--llm-devices", "1"], "--enable-llm"),
                       (["--enable-llm", "--llm-devices", "1,9"], "'9'"), (["--memory", "lots"], "--memory"), (["--memory", "1k"], "6m"),
                       (["--memory-swap", "1g"], "--memory"), (["--memory", "2g", "--memory-swap", "1g"], "--memory-swap"), (["--cpus", "0"], "--cpus"),
                       (["--target", "nomad"], "kubernetes"), (["--restart", "never"], "unless-stopped"), (["--publish", "localhost"], "--publish"),
                       (["--target", "swarm", "--publish", "10.0.0.1"], "0.0.0.0"), (["--target", "kubernetes", "--publish", "0.0.0.0"], "--publish"),
                       (["--target", "systemd", "--publish", "0.0.0.0"], "--publish"), (["--namespace", "a"], "--namespace"),
                       (["--program", "/usr/bin/wattle"], "--program"),
                       (["--devices", "2", "--device-id", "x"], "DEVICE_ID"), (["--target", "kubernetes", "--namespace", "A_b"], "--namespace"),
                       (["--mqtt-ca-file", "/etc/hostname"], "TLS"), (["--image", "a\nb"], "--image"), (["--broker-image=-x"], "--broker-image"),
                       (["--target", "systemd", "--program", "wattle"], "--program"), (["--output=-x"], "--output"), (["--namespace", "a b"], "--namespace"),
                       (["--storage-class", "nfs"], "--target kubernetes"), (["--access-mode", "ReadWriteMany"], "--target kubernetes"),
                       (["--target", "kubernetes", "--access-mode", "RWX"], "ReadWriteMany"), (["--target", "kubernetes", "--storage-class", "A"], "--storage-class"), (["--build", "/nowhere"], "--build"), (["--target", "systemd", "--output", "-"], "--output"),
                       (["--dashboard", "--dashboard-port", "0"], "DASHBOARD_PORT"), (["--output", "/nowhere/x.yml", "--device-name", "n" * 129], "device-name")):
        _, err = compose(folder, *args, code=2)
        check(text in err and err.count("\n") == 1, f"{args}: {err}")
    _, err = compose(folder, "--output", "nowhere/x.yml", code=1)
    check("nowhere/x.yml" in err, err)
    # a password that no YAML file can hold
    p = subprocess.run([lab.WATTLE, "compose", "--output", "-"], cwd=folder, capture_output=True, timeout=lab.PATIENCE,
                       env={b"PATH": os.environb[b"PATH"], b"MQTT_USERNAME": b"u", b"MQTT_PASSWORD": b"\xff\xfe"})
    check(p.returncode == 2 and b"MQTT_PASSWORD" in p.stderr and b"\xff" not in p.stderr, f"{p}")


if __name__ == "__main__":
    tests = [made_up_secrets, kubernetes, systemd, files_are_kept]
    with lab.Folder() as shared:
        base.python = base.find_python(shared)
        lab.main(*[t for t in tests if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]])
