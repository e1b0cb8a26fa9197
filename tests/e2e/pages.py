# SPDX-License-Identifier: MIT
"""Pages made from what the program says of itself: docs/commands/ is current, man pages are well-formed and complete."""
import os
import re
import shutil
import subprocess

import lab
from lab import check

COMMANDS = os.path.join(lab.SOURCE, "docs", "commands")


def pages(folder, form):
    """Each page by its name: '' is the list of commands."""
    code, out, err = lab.run("help", "--format", form)
    check(code == 0, err)
    _, table, _ = lab.run("help", "--format", "markdown")
    names = re.findall(r"^\| \[wattle ([a-z]+)\]\(\1\.md\) \| .+ \|$", table, re.M)
    check(len(names) > 10, f"commands {names}")
    result = {"": out}
    for name in names:
        code, out, err = lab.run("help", "--format", form, name)
        check(code == 0 and out, f"{name}: {code} {err}")
        result[name] = out
    return result


def docs_are_current(folder):
    made = {(name or "README") + ".md": text for name, text in pages(folder, "markdown").items()}
    kept = {}
    for name in os.listdir(COMMANDS):
        with open(os.path.join(COMMANDS, name), encoding="utf-8") as f:
            kept[name] = f.read()
    old = sorted(n for n in made.keys() | kept.keys() if made.get(n) != kept.get(n))
    check(not old, f"{', '.join(old)} in docs/commands: not what the program says; scripts/make-pages writes them anew")


def say_the_same(folder):
    """Every option and setting of --help is in both pages."""
    text, markdown, man = pages(folder, "text"), pages(folder, "markdown"), pages(folder, "man")
    for name in text:
        if not name:
            continue
        flags = re.findall(r"^  (--[a-z0-9-]+)", text[name], re.M)
        check(len(flags) >= 1, name)
        for flag in flags:
            check(f"| `{flag}" in markdown[name], f"{name}.md lacks {flag}")
            escaped = flag.replace("-", "\\-")
            check(re.search(rf"^\\fB{re.escape(escaped)}\b", man[name], re.M), f"wattle-{name}.1 lacks {flag}")


def man_pages_are_sound(folder):
    with open(os.path.join(lab.SOURCE, "meson.build"), encoding="utf-8") as f:
        listed = re.findall(r"'([a-z]+)'", re.search(r"man_pages = \[(.*?)\]", f.read(), re.S).group(1))
    made = pages(folder, "man")
    check(sorted(listed) == sorted(n for n in made if n), f"man_pages in meson.build: {sorted(set(listed) ^ set(n for n in made if n))}")
    tools = [t for t in ("groff", "mandoc") if shutil.which(t)]
    for name, text in made.items():
        path = os.path.join(folder, f"wattle{'-' if name else ''}{name}.1")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        if "groff" in tools:
            p = subprocess.run(["groff", "-man", "-ww", "-z", "-K", "utf8", path], capture_output=True, text=True, timeout=60)
            check(p.returncode == 0 and not p.stderr, f"{name}: {p.stderr}")
        if "mandoc" in tools:
            p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True, timeout=60)
            lines = [line for line in p.stdout.splitlines() if "missing date" not in line]
            check(not lines, f"{name}: {lines}")
    return None if tools else "ok, but neither groff nor mandoc is there to check them"


def wrong_use(folder):
    for args, message in [(("help", "--format", "html"), "'html': no format"), (("help", "--format"), "'--format': its value is missing"),
                          (("help", "run", "device"), "'device': one word too many"), (("help", "rum"), "the nearest is 'run'")]:
        code, out, err = lab.run(*args)
        check(code == 2 and message in err and not out, f"{args}: {code} {err}")
    code, out, err = lab.run()
    check(code == 2 and not out and "\nCommands\n  run " in err, f"wattle alone: {code} {out!r} {err!r}")


lab.main(docs_are_current, say_the_same, man_pages_are_sound, wrong_use)
