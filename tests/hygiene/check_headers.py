#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every header compiles alone; <wattle.h> also as C++. Usage: check_headers.py SOURCE_ROOT CC CXX"""
import os
import subprocess
import sys

root, cc, cxx = sys.argv[1:4]
failed = 0


def compile_alone(compiler, language, standard, include):
    global failed
    r = subprocess.run([*compiler.split(), "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-fsyntax-only",
                        f"-I{root}/src", f"-I{root}/include", "-"], input=f"#include {include}\n#include {include}\n".encode(),
                       capture_output=True)
    if r.returncode:
        failed += 1
        print(f"{include} as {language}:\n{r.stderr.decode()}")


count = 0
for folder, _, files in sorted(os.walk(os.path.join(root, "src"))):
    for name in sorted(files):
        if not name.endswith(".h"):
            continue
        path = os.path.relpath(os.path.join(folder, name), os.path.join(root, "src"))
        if "/x86/" in path or "/arm/" in path or "/wide/" in path:
            continue  # written for the vector type of the ISA file that includes them
        count += 1
        compile_alone(cc, "c", "gnu17", f'"{path}"')
compile_alone(cc, "c", "c11", "<wattle.h>")
compile_alone(cxx, "c++", "c++17", "<wattle.h>")
print(f"{count + 2} headers checked, {failed} failed")
sys.exit(1 if failed or count == 0 else 0)
