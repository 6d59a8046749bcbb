#!/usr/bin/env python3
"""Makes the folders phi3 and phi3-longrope here with Hugging Face transformers: small checkpoints with random weights, and the
states and logits that it computes from them.

    pip install torch transformers safetensors numpy           # made with 2.x and 5.24.0, see reference.json
    tests/golden/architectures/make.py

float32, eager attention, one document at a time. Every size is another number. reference.json says how far the last state of
the long document moves, relative to its RMS, where one feature is computed wrongly.
"""

import copy
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Phi3Config

here = pathlib.Path(__file__).resolve().parent
lengths = {"short": 24, "long": 150}

shape = dict(architectures=["Phi3ForCausalLM"], vocab_size=120, hidden_size=48, intermediate_size=56, num_hidden_layers=4,
             num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-5, tie_word_embeddings=False, pad_token_id=None,
             bos_token_id=1, eos_token_id=2, rope_theta=10000.0)
factors = lambda first, step: [first + step * i for i in range(3)]
# As Microsoft publishes them: older keys, the original context at the top level.
folders = {
    "phi3": (dict(shape, max_position_embeddings=256, original_max_position_embeddings=256, sliding_window=17,
                  rope_scaling=None, partial_rotary_factor=1.0), {
        "sliding window left out": dict(sliding_window=None),
        "window one shorter": dict(sliding_window=16),
        "rope theta 20% larger": dict(rope_theta=12000.0),
        "half of each head rotated": dict(partial_rotary_factor=0.5),
        "eps 1e-2": dict(rms_norm_eps=1e-2)}),
    "phi3-longrope": (dict(shape, max_position_embeddings=256, original_max_position_embeddings=64, sliding_window=None,
                           partial_rotary_factor=0.5,
                           rope_scaling={"type": "longrope", "short_factor": factors(1.0, 0.3), "long_factor": factors(1.5, 2.0)}), {
        "all of each head rotated": dict(partial_rotary_factor=1.0, rope_scaling={
            "type": "longrope", "short_factor": factors(1.0, 0.3) * 2, "long_factor": factors(1.5, 2.0) * 2}),
        "rope scaling left out": dict(rope_scaling=None),
        "short factors for the long text": dict(rope_scaling={
            "type": "longrope", "short_factor": factors(1.0, 0.3), "long_factor": factors(1.0, 0.3)}),
        "attention factor 1": dict(rope_scaling={
            "type": "longrope", "short_factor": factors(1.0, 0.3), "long_factor": factors(1.5, 2.0), "attention_factor": 1.0})}),
}


def random_weights(config, seed):
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(Phi3Config(**copy.deepcopy(config)))
    weights = {}
    for name, value in model.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if value.dim() == 1:
            weights[name] = 1.0 + 0.2 * noise
        elif "embed" in name:
            weights[name] = noise
        else:
            weights[name] = 1.4 * noise / value.shape[1] ** 0.5
    return {name: value.bfloat16() for name, value in weights.items()}


def compute(config, weights, ids):
    model = AutoModelForCausalLM.from_config(Phi3Config(**copy.deepcopy(config)), attn_implementation="eager")
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    model = model.float().eval()
    # transformers' own list of states ends with the normed one: the last block is watched instead.
    states = []
    hooks = [model.model.layers[0].register_forward_pre_hook(lambda m, a, k: states.append((a or [k["hidden_states"]])[0][0]),
                                                             with_kwargs=True)]
    for layer in model.model.layers:
        hooks.append(layer.register_forward_hook(lambda m, a, out: states.append((out[0] if isinstance(out, tuple) else out)[0])))
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0]
    return torch.stack(states).numpy(), logits.numpy()


def main():
    for number, (name, (config, mistakes)) in enumerate(folders.items()):
        out = here / name
        out.mkdir(exist_ok=True)
        weights = random_weights(config, 30800 + number)
        save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
        (out / "config.json").write_text(json.dumps(dict(config, model_type="phi3", torch_dtype="bfloat16"), indent=2) + "\n")
        rng = np.random.default_rng(number)
        changes = {}
        for length, tokens in lengths.items():
            ids = rng.integers(0, config["vocab_size"], tokens).astype(np.int32)
            states, logits = compute(config, weights, ids.tolist())
            np.save(out / f"ids_{length}.npy", ids)
            np.save(out / f"states_{length}.npy", states.astype(np.float32))
            np.save(out / f"logits_{length}.npy", logits.astype(np.float32))
            if length != "long":
                continue
            for mistake, edit in mistakes.items():
                wrong = compute(dict(config, **edit), weights, ids.tolist())[0][-1]
                changes[mistake] = float(np.sqrt(((wrong - states[-1]) ** 2).mean() / (states[-1] ** 2).mean()))
        about = {"class": "Phi3ForCausalLM", "torch": torch.__version__, "transformers": transformers.__version__,
                 "growth": float(np.sqrt((states[-1] ** 2).mean() / (states[0] ** 2).mean())), "changes": changes}
        (out / "reference.json").write_text(json.dumps(about, indent=1) + "\n")
        print(name, json.dumps(about, indent=1), file=sys.stderr)


main()
