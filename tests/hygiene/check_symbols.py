#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libwattle.so gives its users wattle_… and nothing else, and calls nothing that prints, exits, reads the environment or
installs signal handlers. Usage: check_symbols.py LIBWATTLE_SO"""
import subprocess
import sys

lib = sys.argv[1]
FORBIDDEN = {"printf", "puts", "putchar", "perror", "exit", "_exit", "getenv", "secure_getenv", "signal", "sigaction", "vprintf",
             "__printf_chk", "stdout", "stderr", "setlocale", "system"}


def names(*flags):
    out = subprocess.run(["nm", "-D", *flags, lib], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if line.strip()}


exported = names("--defined-only")
wrong = sorted(n for n in exported if not n.startswith("wattle_"))
called = sorted(names("--undefined-only") & FORBIDDEN)
print(f"{len(exported)} exported; not ours: {wrong}; forbidden calls: {called}")
sys.exit(1 if wrong or called or not exported else 0)
