#!/usr/bin/env python3
"""Prompt processing of strata and its peers on one shape, taking turns: tokens per second, best of the rounds.

    bench/peers/peers.py MODEL.gguf [--rounds N] [--dtype float32 bfloat16]

- strata: blocks_bench --whole (-DSTRATA_BENCH=ON); reads the weights from the file in every round, no logits.
- llama.cpp: llama-bench in PATH or $LLAMA_BENCH, on the file as it is stored; logits of a window's last position.
- PyTorch: transformers' Llama or Qwen3 of the same shape with random weights, logits of the last position, by $TORCH_PYTHON.
- oneDNN: torch.nn.functional.linear alone, on the matrices that a token goes through, by $TORCH_PYTHON.

What is not there is left out and said. Windows of 512 tokens, two threads.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

TOKENS, WINDOWS, THREADS = 512, 8, 2
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def shape_of(model):
    out = subprocess.run([os.path.join(ROOT, "build/release/bin/strata"), "inspect", model, "--json"], check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)


def strata(model, dtype):
    bench = os.path.join(ROOT, "build/release/bench/blocks/blocks_bench")
    out = subprocess.run([bench, model, "--whole", "--rounds", "1", "--windows", str(WINDOWS), "--tokens", str(TOKENS),
                          "--threads", str(THREADS), "--dtype", dtype], check=True, capture_output=True, text=True).stdout
    return float(out.split()[-2])


def llama_cpp(model):
    out = subprocess.run([LLAMA, "-m", model, "-p", str(TOKENS), "-n", "0", "-t", str(THREADS), "-r", str(WINDOWS), "-o",
                          "json"], check=True, capture_output=True, text=True).stdout
    return max(json.loads(out)[0]["samples_ts"])


class Torch:
    """A process with the model loaded, which answers a line with tokens per second."""

    def __init__(self, python, shape, dtype, what):
        self.process = subprocess.Popen([python, os.path.abspath(__file__), "--serve", what, dtype, json.dumps(shape)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def __call__(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return float(line) if line else None


def serve(what, dtype, shape):
    import torch

    torch.set_num_threads(THREADS)
    dtype = getattr(torch, dtype)
    d, ffn, layers = shape["hidden"], shape["ffn"], shape["n_layers"]
    heads, kv, head = shape["heads"], shape["kv_heads"], shape["head_dim"]
    if what == "transformers":
        import transformers

        config = dict(hidden_size=d, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
                      num_key_value_heads=kv, head_dim=head, vocab_size=shape["vocab"], tie_word_embeddings=True)
        qwen3 = shape["architecture"].lower().startswith("qwen3")
        kind = transformers.Qwen3Config if qwen3 else transformers.LlamaConfig
        model = transformers.AutoModelForCausalLM.from_config(kind(**config), dtype=dtype).eval()
        ids = torch.randint(0, shape["vocab"], (1, TOKENS))

        def run():
            model(ids, logits_to_keep=1, use_cache=False)
    else:
        shapes = [((heads + 2 * kv) * head, d), (d, heads * head), (2 * ffn, d), (d, ffn)]
        weights = [(torch.randn(o, i, dtype=dtype), torch.randn(TOKENS, i, dtype=dtype)) for o, i in shapes]

        def run():
            for _ in range(layers):
                for weight, x in weights:
                    torch.nn.functional.linear(x, weight)

    with torch.inference_mode():
        run()
        for _ in sys.stdin:
            begin = time.perf_counter()
            for _ in range(WINDOWS):
                run()
            print(WINDOWS * TOKENS / (time.perf_counter() - begin), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16"])
    asked = parser.parse_args()
    shape = shape_of(asked.model)
    python = os.environ.get("TORCH_PYTHON")
    parts = {}
    if LLAMA:
        parts["llama.cpp"] = lambda: llama_cpp(asked.model)
    else:
        print("llama-bench: not found, left out (PATH or LLAMA_BENCH)")
    if not python:
        print("PyTorch: TORCH_PYTHON is not set, left out")
    for dtype in asked.dtype:
        parts[f"strata {dtype}"] = lambda dtype=dtype: strata(asked.model, dtype)
        if python:
            parts[f"transformers {dtype}"] = Torch(python, shape, dtype, "transformers")
            parts[f"oneDNN {dtype}"] = Torch(python, shape, dtype, "products")
    best = dict.fromkeys(parts, 0.0)
    for _ in range(asked.rounds):
        for name, run in parts.items():
            rate = run()
            if rate is None:
                sys.exit(f"{name}: ended without an answer")
            best[name] = max(best[name], rate)
    print(f"{os.path.basename(asked.model)}: tokens per second, best of {asked.rounds} rounds that take turns")
    for name, rate in best.items():
        ratios = [f"{best[f'strata {d}'] / rate:.2f} in {d}" for d in asked.dtype if d in name or name == "llama.cpp"]
        print(f"  {name:<24} {rate:9.1f}" + ("" if name.startswith("strata") else f"   strata over it: {', '.join(ratios)}"))


LLAMA = os.environ.get("LLAMA_BENCH") or shutil.which("llama-bench")
if len(sys.argv) == 5 and sys.argv[1] == "--serve":
    serve(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
else:
    main()
