#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds what bench/peers.py measures beside wattle (llama-bench and its like) from the source package llama-cpp-python on PyPI,
# natively for this machine, into the folder given, and prints where they are. Needs cmake, g++ and about half an hour on two cores.
set -euo pipefail
dir=${1:?usage: bench/build_llama_cpp.sh FOLDER}
mkdir -p "$dir"
cd "$dir"
[ -f llama_cpp_python-0.3.36.tar.gz ] || {
    python3 -m venv venv
    venv/bin/pip install --quiet scikit-build-core
    venv/bin/pip download --quiet --no-deps --no-binary :all: --no-build-isolation llama-cpp-python==0.3.36
}
[ -d llama_cpp_python-0.3.36 ] || tar xzf llama_cpp_python-0.3.36.tar.gz
cmake -S llama_cpp_python-0.3.36/vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_CURL=OFF \
    -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >cmake.log
cmake --build build --target llama-bench llama-batched-bench llama-completion llama-server llama-quantize llama-perplexity \
    -j "${JOBS:-2}" >build.log
echo "$PWD/build/bin"
