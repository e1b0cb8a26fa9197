# SPDX-License-Identifier: MIT
"""A Docker engine of our own for docker.py: started by hand in a temporary folder, ended by its process id, and nothing of it stays:
no image, container, network, mount or packet filter rule. Also the base image, from a registry or from debootstrap."""
import os
import shutil
import subprocess
import sys
import time

import lab

MOUNT_CGROUPS = r"""
if ! grep -q ' /sys/fs/cgroup' /proc/self/mounts; then
    if grep -qw cgroup2 /proc/filesystems && ! grep -q '^[a-z]' /proc/cgroups 2>/dev/null; then
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
    else
        mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
        awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups | while read -r c; do
            mkdir -p "/sys/fs/cgroup/$c" && mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c" 2>/dev/null || rmdir "/sys/fs/cgroup/$c"
        done
    fi
fi
# Programs of arm64, for what the engine starts; gone with this name space, or taken back at the end.
if [ -x "$QEMU" ] && mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null; then
    printf '%s' "$BINFMT" >/proc/sys/fs/binfmt_misc/register
fi
exec "$@"
"""
BINFMT = r":wattle-arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:" \
         r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
# Plainest last: a file system without overlays, a kernel without packet filter.
WAYS = (["--storage-driver=overlay2"], ["--storage-driver=vfs"],
        ["--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"])
QEMU = "/usr/bin/qemu-aarch64-static"
UNREGISTER = "mount -t binfmt_misc b /proc/sys/fs/binfmt_misc && cd /proc/sys/fs/binfmt_misc && [ -e wattle-arm64 ] && echo -1 >wattle-arm64"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(lab.SKIP)


def alive(pid):
    try:
        os.kill(int(pid), 0)
        return True
    except (OSError, ValueError):
        return False


def apt_proxy():
    p = subprocess.run(["apt-config", "shell", "P", "Acquire::http::Proxy"], capture_output=True, text=True)
    return p.stdout.partition("'")[2].rpartition("'")[0] or os.environ.get("http_proxy", "")


class Engine:
    """host: the engine's address. bridge: containers have networks of their own, with a way out."""

    def __init__(self, folder):
        self.folder, self.process = os.path.join(folder, "engine"), None
        self.log = os.path.join(folder, "dockerd.log")
        self.cli = next((p for p in ("/usr/bin/docker", shutil.which("docker")) if p and os.access(p, os.X_OK)), None)
        if os.geteuid() != 0:
            skip("a Docker engine is started by root only")
        for program in ("dockerd", "docker-compose", "unshare", "mosquitto_sub"):
            lab.find(program)
        if not self.cli:
            skip("docker is not installed")
        if os.path.exists("/var/run/docker.pid") and alive(open("/var/run/docker.pid", encoding="ascii").read()):
            skip("another Docker engine runs here; --engine unix:///var/run/docker.sock would use it, and leave images in it")
        self.links = set(os.listdir("/sys/class/net"))
        self.rules = {t: self.save(t) for t in ("filter", "nat")}
        self.forward = open("/proc/sys/net/ipv4/ip_forward", encoding="ascii").read()
        self.host = f"unix://{self.folder}/sock"
        why = [why for why in map(self.start, WAYS) if why]
        if len(why) == len(WAYS):
            self.close()
            skip("the Docker engine does not start: " + why[-1])

    @staticmethod
    def save(table):
        return subprocess.run(["iptables-save", "-t", table], capture_output=True, text=True).stdout

    def start(self, way):
        """None, or why it did not start."""
        if self.process and self.process.poll() is None:
            return None
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        f = self.folder
        command = ["dockerd", "--data-root", f + "/data", "--exec-root", f + "/exec", "--pidfile", f + "/pid", "-H", self.host, *way]
        with open(self.log, "ab") as log:
            # Its mounts are in a name space of its own: they go with it.
            self.process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT_CGROUPS, "sh", *command],
                                            stdout=log, stderr=log, start_new_session=True,
                                            env={**os.environ, "QEMU": QEMU, "BINFMT": f"{BINFMT}{QEMU}:F"})
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            if self.docker("version", check=False).returncode == 0:
                self.bridge, self.way = "--bridge=none" not in way, " ".join(way)
                return None
            time.sleep(0.1)
        self.stop()
        lines = open(self.log, encoding="utf-8", errors="replace").read().strip().splitlines()
        return lines[-1][-300:] if lines else "no word of it"

    def docker(self, *args, check=True, seconds=None, **more):
        """Runs the client; text is what it said, both streams."""
        p = subprocess.run([self.cli, "-H", self.host, *args], stdin=more.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=seconds or lab.PATIENCE, **more)
        p.text = p.stdout.decode("utf-8", "replace").strip()
        if check and p.returncode:
            raise AssertionError(f"docker {' '.join(args[:4])} …: {p.returncode}: {p.text[-1500:]}")
        return p

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            ids = self.docker("ps", "-aq", check=False).text.split()
            if ids:
                self.docker("rm", "-f", *ids, check=False)
        self.stop()
        subprocess.run(["unshare", "--mount", "sh", "-c", UNREGISTER], capture_output=True)
        for link in set(os.listdir("/sys/class/net")) - self.links:
            if link == "docker0" or link.startswith(("br-", "veth")):
                subprocess.run(["ip", "link", "delete", link], capture_output=True)
        for table, before in self.rules.items():
            self.restore(table, before)
        with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as f:
            f.write(self.forward)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def restore(table, before):
        if before:
            subprocess.run(["iptables-restore", "-T", table], input=before, text=True, capture_output=True)
            return
        policies = {"filter": ("INPUT", "FORWARD", "OUTPUT"), "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")}[table]
        for args in (["-F"], ["-X"], *(["-P", chain, "ACCEPT"] for chain in policies)):
            subprocess.run(["iptables", "-t", table, *args], capture_output=True)


class Borrowed(Engine):
    """--engine: one that is there, for working on these tests."""

    def __init__(self, host):
        self.host, self.bridge, self.way, self.cli = host, True, "borrowed", "/usr/bin/docker"

    def close(self):
        pass


def import_base(engine, tag, arch=None):
    """Debian's smallest system as an image; None, or why there is none."""
    lab.find("debootstrap")
    more = ["--platform", "linux/" + arch] if arch else []
    made = subprocess.Popen([os.path.join(lab.SOURCE, "packaging", "make-base"), *([arch] if arch else [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    engine.docker("import", *more, "-", tag, stdin=made.stdout, check=False, seconds=480)
    why = made.communicate()[1].decode("utf-8", "replace").strip().splitlines()
    if made.returncode:
        engine.docker("rmi", tag, check=False)
        return "debootstrap: " + (why[-1] if why else f"ended with {made.returncode}")
    return None


def base_image(engine):
    """debian:12-slim in the engine: the registry's, or one of the same content, so that nothing else has to know which."""
    if engine.docker("image", "inspect", "debian:12-slim", check=False).returncode == 0:
        return "there already"
    try:
        if engine.docker("pull", "-q", "debian:12-slim", check=False, seconds=90).returncode == 0:
            return "from the registry"
    except subprocess.TimeoutExpired:
        pass
    why = import_base(engine, "debian:12-slim")
    if why:
        skip(why)
    return "by debootstrap"
