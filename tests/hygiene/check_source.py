#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules of the source tree that matter, held by a test: layers, third-party headers, banned calls, sizes, SPDX lines,
comments that promise work, paths of somebody's machine. Usage: check_source.py SOURCE_ROOT"""
import os
import re
import subprocess
import sys

root = sys.argv[1]
faults = []


def fault(path, line, text):
    faults.append(f"{os.path.relpath(path, root)}:{line}: {text}")


def read_layers():
    may, opened, third = {}, set(), {}
    for raw in open(os.path.join(root, "tests/hygiene/layers.txt"), encoding="utf-8"):
        line = raw.split("#")[0].strip()
        if not line:
            continue
        key, rest = line.split(":", 1)
        if key == "open":
            opened.update(rest.split())
        elif key == "third":
            header, folder = rest.split()
            third[header] = folder
        else:
            may[key] = set(rest.split())
    return may, opened, third


def sources(*tops):
    for top in tops:
        for folder, dirs, files in os.walk(os.path.join(root, top)):
            dirs.sort()
            for name in sorted(files):
                if name.endswith((".c", ".h", ".cc")):
                    yield os.path.join(folder, name)


BANNED = {
    "strcpy": "base/buf.h", "strcat": "base/buf.h", "sprintf": "snprintf or base/buf.h", "vsprintf": "base/buf.h",
    "gets": "file_read", "strtok": "a span", "atoi": "num_parse_i64", "atol": "num_parse_i64", "atof": "num_parse_f64",
    "strtod": "num_parse_f64", "strtof": "num_parse_f64", "strtol": "num_parse_i64", "strtoul": "num_parse_u64",
    "sscanf": "num_parse_…", "gmtime": "clock_iso", "localtime": "clock_iso", "ctime": "clock_iso", "asctime": "clock_iso",
    "system": "posix_spawn", "popen": "posix_spawn", "rand": "base/rng.h", "srand": "base/rng.h", "alloca": "an arena",
    "tmpnam": "mkstemp", "mktemp": "mkstemp", "setlocale": "nothing: numbers are written without a locale",
}
LIBRARY = {"base", "codec", "cache", "kernels", "weights", "text", "model", "engine"}
LIBRARY_BANNED = {
    "printf": "log_line", "puts": "log_line", "putchar": "log_line", "perror": "log_line", "exit": "an error code",
    "_exit": "an error code", "abort": "an error code", "getenv": "an option", "secure_getenv": "an option",
    "signal": "nothing", "sigaction": "nothing",
}
CALL = re.compile(r"(?<![\w.>])([a-z_]\w*)\s*\(")


def strip_comments(text):
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def check_includes(path, folder, text, may, opened, third):
    for n, line in enumerate(text.split("\n"), 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        name = m.group(2)
        if name in third and third[name] != folder:
            fault(path, n, f"<{name}> belongs to {third[name]}/, not to {folder}/")
        if name == "wattle.h" and "wattle.h" not in may[folder]:
            fault(path, n, f"{folder}/ may not include <wattle.h>")
        if m.group(1) == '"':
            other = name.split("/")[0]
            if "/" not in name:
                fault(path, n, f'"{name}": include by folder, as "{folder}/{name}"')
            elif other != folder:
                if other not in may[folder]:
                    fault(path, n, f"{folder}/ may not include {other}/ (tests/hygiene/layers.txt)")
                elif name != f"{other}/{other}.h" and name not in opened:
                    fault(path, n, f'"{name}": another folder is included only through "{other}/{other}.h"')


def check_calls(path, folder, code):
    for n, line in enumerate(code.split("\n"), 1):
        for name in CALL.findall(line):
            if name in BANNED:
                fault(path, n, f"{name}() is banned: use {BANNED[name]}")
            if folder in LIBRARY and name in LIBRARY_BANNED:
                fault(path, n, f"the library half may not call {name}(): use {LIBRARY_BANNED[name]}")


def check_file(path, text):
    lines = text.split("\n")
    if "SPDX-License-Identifier: MIT" not in lines[0]:
        fault(path, 1, "the first line must be the SPDX line")
    if len(lines) > 500 and "Long because" not in "\n".join(lines[:40]):
        fault(path, len(lines), "more than 500 lines, and its head does not say 'Long because …'")
    for n, line in enumerate(lines, 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b(?! ?\(#\d+\))", line):
            fault(path, n, "a promise without an issue number")


def tracked():
    out = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True)
    return [os.path.join(root, p.decode()) for p in out.stdout.split(b"\0") if p] if out.returncode == 0 else []


def check_no_machine_paths():
    pattern = re.compile(rb"(?<![\w.])/(?:" + rb"work|" + rb"tmp/(?:b-|peer|brief))\b")
    for path in tracked():
        if path.endswith((".gguf", ".csv")) or not os.path.isfile(path) or os.path.samefile(path, __file__):
            continue
        for n, line in enumerate(open(path, "rb").read().split(b"\n"), 1):
            if pattern.search(line):
                fault(path, n, "a path of somebody's machine")


def main():
    may, opened, third = read_layers()
    folders = {d for d in os.listdir(os.path.join(root, "src")) if os.path.isdir(os.path.join(root, "src", d))}
    for d in sorted(folders - set(may)):
        fault(os.path.join(root, "src", d), 0, "no row in tests/hygiene/layers.txt")
    count = 0
    for path in sources("src", "include", "tests"):
        count += 1
        text = open(path, encoding="utf-8").read()
        code = strip_comments(text)
        parts = os.path.relpath(path, root).split(os.sep)
        check_file(path, text)
        if parts[0] == "src":
            check_includes(path, parts[1], text, may, opened, third)
            check_calls(path, parts[1], code)
    check_no_machine_paths()
    for f in faults:
        print(f)
    print(f"{count} files checked, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


sys.exit(main())
