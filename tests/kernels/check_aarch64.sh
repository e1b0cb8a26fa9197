#!/bin/sh
# SPDX-License-Identifier: MIT
# check_aarch64.sh SOURCE BUILD_DIR: builds `check` for 64-bit Arm and runs it under qemu-user, so
# that the NEON kernels are tested on other machines too. Exit 77 (skipped) without the tools.
set -eu
src=$1/src tests=$1/tests/kernels
out=$2/check_aarch64.$$
gcc=aarch64-linux-gnu-gcc
qemu=qemu-aarch64-static

for tool in $gcc $qemu; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: no $tool (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user-static)"
        exit 77
    fi
done
trap 'rm -rf "$out" "$out.o"' EXIT
flags="-std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -ffp-contract=off -fno-math-errno -I$src -I$tests"
mkdir "$out.o"
for file in dotprod peak_dotprod; do
    $gcc $flags -march=armv8.2-a+dotprod -c -o "$out.o/$file.o" "$src/kernels/arm/$file.c"
done
$gcc $flags -static -o "$out" "$out.o"/*.o "$src"/kernels/*.c $(ls "$src"/kernels/ref/*.c | grep -v levels.c) \
    "$src"/kernels/arm/levels.c "$src"/kernels/arm/neon.c "$src"/kernels/arm/peak_neon.c "$tests"/*.c "$src"/base/*.c \
    -lm -lpthread
$qemu "$out"
