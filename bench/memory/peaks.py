#!/usr/bin/env python3
"""Does `strata analyze` stay within --mem-limit?

Draws settings at random (model, text, window length, threads, batch, type of the products, sample sizes, which
phases), finds for each the smallest limit that --dry-run accepts, runs at that limit and at 1.3 of it, and compares
the peak resident size of the process (ru_maxrss) with the limit. One line of JSON per run; a summary at the end.

The bar: at most one run in a hundred above its limit, none by more than 4 MiB.

    bench/memory/peaks.py build/release/bin/strata --model models/llama-nano --model models/qwen2-nano \\
        --text texts/tales --settings 50 --output peaks.jsonl
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20


def draw(dice, models, texts):
    """The arguments of one run: small samples, so that what does not depend on the text counts."""
    args = ["-m", dice.choice(models), "-f", dice.choice(texts)]
    args += ["-t", str(dice.choice([1, 2, 4, 8, 16]))]
    args += ["-b", str(dice.choice([1, 2, 16]))]
    args += ["-c", str(dice.choice([64, 128, 256, 512]))]
    args += ["--chunks", str(dice.choice([2, 4, 8, 24]))]
    args += ["--dtype", dice.choice(["float32", "float32", "bfloat16"])]
    args += ["--positions", str(dice.choice([128, 512, 2048]))]
    args += ["--lens-positions", str(dice.choice([8, 64]))]
    args += ["--lane-tokens", str(dice.choice([128, 512]))]
    args += ["--surrogates", "19", "--replicates", "20"]
    kind = dice.choice(["clean", "lanes", "nulls", "bottleneck"])
    if kind == "clean":
        args += ["--clean-only"]
    if kind == "bottleneck":
        args += ["--bottleneck"]
    if kind == "nulls":
        args += ["--null-models", "1", "--shuffled-text", "auto"]
    else:
        args += ["--null-models", "0", "--shuffled-text", "none"]
    if kind in ("lanes", "nulls"):
        args += ["--layers", "1,3"]
    return args


def command(strata, args, limit, directory):
    return [strata, "analyze", *args, "--mem-limit", f"{limit // 1024}K", "-o", directory]


def accepted(strata, args, limit, directory):
    done = subprocess.run(command(strata, args, limit, directory) + ["--dry-run"], capture_output=True, text=True)
    if done.returncode not in (0, 4):
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()}")
    return done.returncode == 0


def smallest_limit(strata, args, directory):
    """To a quarter of a MiB. Bytes; None where even 64 GiB are not accepted."""
    low, high = 1 * MIB, 64 * MIB
    while not accepted(strata, args, high, directory):
        low, high = high, 2 * high
        if high > 64 << 30:
            return None
    while high - low > MIB // 4:
        middle = (low + high) // 2 // 1024 * 1024
        if accepted(strata, args, middle, directory):
            high = middle
        else:
            low = middle
    return high


def run(strata, args, limit, directory):
    """(exit code, peak in bytes, seconds, what it wrote on stderr)"""
    shutil.rmtree(directory, ignore_errors=True)
    began = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command(strata, args, limit, directory) + ["--quiet"],
                                 stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        words = errors.read().decode(errors="replace")
    return child.returncode, usage.ru_maxrss * 1024, time.monotonic() - began, words


def phases(directory):
    """Which phase the plan says is the largest, and its bytes."""
    try:
        with open(os.path.join(directory, "manifest.json")) as file:
            plan = json.load(file)
    except (OSError, ValueError):
        return None
    return {key: plan[key] for key in plan if "memory" in key or "peak" in key}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strata")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--text", action="append", required=True)
    parser.add_argument("--settings", type=int, default=50, help="each is run twice (default: 50)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no further setting after so many")
    parser.add_argument("--output", default="peaks.jsonl")
    asked = parser.parse_args()
    dice = random.Random(asked.seed)
    rows, began = [], time.monotonic()
    work = tempfile.mkdtemp(prefix="strata-peaks-")
    directory = os.path.join(work, "run")
    try:
        with open(asked.output, "w") as output:
            for _ in range(asked.settings):
                args = draw(dice, asked.model, asked.text)
                if time.monotonic() - began > asked.seconds:
                    break
                try:
                    smallest = smallest_limit(asked.strata, args, directory)
                except RuntimeError as error:  # this text is too short for this setting
                    print(f"left out: {' '.join(args)}: {error}", file=sys.stderr)
                    continue
                if smallest is None:
                    continue
                for factor in (1.0, 1.3):
                    limit = int(smallest * factor) // 1024 * 1024
                    code, peak, seconds, words = run(asked.strata, args, limit, directory)
                    row = {"args": " ".join(args), "factor": factor, "limit_mib": round(limit / MIB, 2),
                           "peak_mib": round(peak / MIB, 2), "over_mib": round((peak - limit) / MIB, 2),
                           "ratio": round(peak / limit, 3), "exit_code": code, "seconds": round(seconds, 1),
                           "plan": phases(directory)}
                    if code != 0:
                        row["error"] = words.strip()[-400:]
                    rows.append(row)
                    output.write(json.dumps(row) + "\n")
                    output.flush()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    failed = [row for row in rows if row["exit_code"] != 0]
    ratios = sorted(row["ratio"] for row in rows if row["exit_code"] == 0)
    over = [row for row in rows if row["exit_code"] == 0 and row["over_mib"] > 0]
    if not ratios:
        sys.exit("no run came to its end")
    worst = max(row["over_mib"] for row in rows if row["exit_code"] == 0)
    print(f"{len(ratios)} runs, {len(failed)} failed; above the limit: {len(over)}, the worst by {worst:.1f} MiB; "
          f"peak / limit: median {ratios[len(ratios) // 2]:.2f}, least {ratios[0]:.2f}, most {ratios[-1]:.2f}")
    sys.exit(0 if not failed and len(over) * 100 <= len(ratios) and worst <= 4 else 1)


if __name__ == "__main__":
    main()
