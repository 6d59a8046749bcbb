#!/usr/bin/env python3
"""Prompt processing of strata and of llama.cpp on the same file, taking turns: tokens per second and the ratio.

    bench/llama_cpp.py MODEL.gguf [ROUNDS] [DTYPE]

needs build/release/bench/blocks/blocks_bench (-DSTRATA_BENCH=ON) and llama-bench in PATH or in $LLAMA_BENCH. Both take as
many tokens in windows of 512. strata reads the weights from the file in every round; llama-bench has loaded its weights
before. llama-bench computes logits of the last position of a window, strata none.
"""

import json
import os
import shutil
import subprocess
import sys

WINDOWS, TOKENS, THREADS = 16, 512, 2


def strata(model, dtype):
    bench = os.path.join(os.path.dirname(__file__), "../build/release/bench/blocks/blocks_bench")
    out = subprocess.run(
        [bench, model, "--whole", "--rounds", "1", "--windows", str(WINDOWS), "--tokens", str(TOKENS),
         "--threads", str(THREADS), "--dtype", dtype],
        check=True, capture_output=True, text=True).stdout
    return float(out.split()[-2])


def llama_cpp(model):
    bench = os.environ.get("LLAMA_BENCH") or shutil.which("llama-bench")
    if not bench:
        sys.exit("llama-bench: not found; put it in PATH or name it in LLAMA_BENCH")
    out = subprocess.run([bench, "-m", model, "-p", str(TOKENS), "-n", "0", "-t", str(THREADS), "-r", "8", "-o", "json"],
                         check=True, capture_output=True, text=True).stdout
    return max(json.loads(out)[0]["samples_ts"])


def main():
    model = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    dtype = sys.argv[3] if len(sys.argv) > 3 else "float32"
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(strata(model, dtype))
        theirs.append(llama_cpp(model))
        print(f"strata {ours[-1]:.1f} tok/s, llama.cpp {theirs[-1]:.1f} tok/s", flush=True)
    print(f"best of {rounds}: strata ({dtype}) / llama.cpp = {max(ours) / max(theirs):.2f}")


main()
