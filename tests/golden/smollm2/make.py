#!/usr/bin/env python3
"""Makes the golden values of this folder with PyTorch and transformers, without any code of strata.

    scripts/real-model                                          # the model, once
    pip install torch transformers gguf numpy                   # made with 1.13, 4.40.2, 0.19.0, 1.24.2
    tests/golden/smollm2/make.py states [REFERENCE]             # states_512.npy, ids_512.npy
    tests/golden/smollm2/make.py brittleness [LABELS]           # brittleness.json
    scripts/requantize                                          # two further files of it, by llama-quantize
    tests/golden/smollm2/make.py divergence                     # divergence.json

The weights are dequantized by the `gguf` package, the network is transformers' LlamaForCausalLM in float64 with
eager attention. `states` writes, besides, all arrays that `strata verify MODEL --reference REFERENCE` reads.
`brittleness` computes kappa of every state and the cost of skipping every block on the first 64 tokens of two
texts. It draws the noise and the labels that strata draws (Philox4x32-10 by its definition), so that the
comparison is exact to rounding; LABELS (default 4) further draws are of a generator of its own. `divergence` compares the model
with the two files, whole and with one part of it at a time taken from them, on the same 64 tokens.
"""
import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from torch.autograd import forward_ad
from transformers import LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).resolve().parent
root = here.parents[2]
texts = ["texts/tales/01.txt", "texts/tales/02.txt"]
tokens = 64  # of each text, in `brittleness`


def model_path():
    return subprocess.run([root / "scripts/real-model", "--cached"], check=True, capture_output=True,
                          text=True).stdout.strip()


def rows_of_halves(weight, heads):
    """llama.cpp stores the rows of q and k with the two halves of a head interleaved; transformers does not."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def open_model(path):
    reader = GGUFReader(path)

    def key(name):
        field = reader.fields["llama." + name]
        return field.parts[field.data[0]][0].item()

    heads, kv_heads = key("attention.head_count"), key("attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=key("vocab_size"), hidden_size=key("embedding_length"), intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"), num_attention_heads=heads, num_key_value_heads=kv_heads,
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"), rope_theta=key("rope.freq_base"),
        max_position_embeddings=key("context_length"), tie_word_embeddings=True, attn_implementation="eager")
    weights = {t.name: dequantize(t.data, t.tensor_type).reshape(tuple(reversed(t.shape.tolist())))
               for t in reader.tensors}
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
             "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
             "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
    state = {"model.embed_tokens.weight": weights["token_embd.weight"], "lm_head.weight": weights["token_embd.weight"],
             "model.norm.weight": weights["output_norm.weight"]}
    for block in range(config.num_hidden_layers):
        for ours, theirs in names.items():
            weight = weights[f"blk.{block}.{ours}.weight"]
            if ours in ("attn_q", "attn_k"):
                weight = rows_of_halves(weight, heads if ours == "attn_q" else kv_heads)
            state[f"model.layers.{block}.{theirs}.weight"] = weight
    torch.set_default_dtype(torch.float64)
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    missing, unexpected = model.load_state_dict(
        {name: torch.from_numpy(np.array(value, dtype=np.float64)) for name, value in state.items()}, strict=False)
    assert not unexpected and all("inv_freq" in name for name in missing), (missing, unexpected)
    assert model.lm_head.weight.dtype == torch.float64
    return model


def tokenize(text, path):
    """The ids of a text by Hugging Face's tokenizers, with the vocabulary and merges of the GGUF."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    fields = GGUFReader(path).fields

    def strings(name):
        field = fields["tokenizer.ggml." + name]
        return [bytes(field.parts[i]).decode("utf-8") for i in field.data]

    vocabulary = {token: i for i, token in enumerate(strings("tokens"))}
    merges = [tuple(merge.split(" ")) for merge in strings("merges")]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.encode(text, add_special_tokens=False).ids


def causal_mask(n):
    return torch.full((n, n), torch.finfo(torch.float64).min).triu(1)[None, None]


def run_blocks(model, h, begin):
    """States begin + 1 to L, from state `begin`: (1, tokens, width) each."""
    n = h.shape[1]
    positions = torch.arange(n)[None]
    states = []
    for layer in model.model.layers[begin:]:
        h = layer(h, attention_mask=causal_mask(n), position_ids=positions)[0]
        states.append(h)
    return states


def logits_of(model, last):
    return model.lm_head(model.model.norm(last))[0]


def all_states(model, ids):
    h = model.model.embed_tokens(torch.tensor([ids]))
    return [h] + run_blocks(model, h, 0)


# --- states ---------------------------------------------------------------------------------------------

golden_positions = [0, 1, 17, 128, 300, 511]


def make_states(reference=None):
    path = model_path()
    text = (root / texts[0]).read_text(encoding="utf-8")
    ids = tokenize(text, path)[:512]
    model = open_model(path)
    with torch.no_grad():
        states = all_states(model, ids)
        whole = model(torch.tensor([ids]))  # the library's own loop, beside ours
        normed = model.model.norm(states[-1])
        logits = logits_of(model, states[-1])
    assert torch.allclose(whole.logits[0].double(), logits, rtol=0, atol=1e-4)  # it rounds its logits to float32
    kept = np.stack([h[0, golden_positions].numpy() for h in states]).astype(np.float32)
    np.save(here / "states_512.npy", kept)
    np.save(here / "ids_512.npy", np.array(ids, dtype=np.int32))
    loss = torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:]))
    print(f"loss over {len(ids)} tokens: {loss.item():.12f}")
    if reference is None:
        return
    out = pathlib.Path(reference)
    out.mkdir(parents=True, exist_ok=True)
    save = lambda name, value: np.save(out / name, value.numpy().astype(np.float32))
    np.save(out / "ids.npy", np.array(ids, dtype=np.int32))
    save("embd.npy", states[0][0])
    for block, h in enumerate(states[1:]):
        save(f"l_out-{block}.npy", h[0])
    save("result_norm.npy", normed[0])
    save("logits.npy", logits)


# --- strata's random numbers: Philox4x32-10 (doi:10.1145/2063384.2063405), key and counter by a mixer ---------

low32, low64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def mix(x):  # SplitMix64's finaliser
    x = (x + 0x9E3779B97F4A7C15) & low64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & low64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & low64
    return x ^ (x >> 31)


def uniforms(n, stream, a=0, b=0, c=0, d=0, seed=0):
    """The first n uniform numbers of a stream: 53 bits of two words each."""
    h = mix(seed ^ mix(stream))
    h = mix(h ^ ((a << 32) | b))
    g = mix(h ^ ((c << 32) | d))
    blocks = (n + 1) // 2
    words = [np.arange(blocks, dtype=np.uint64)] + [np.full(blocks, w, np.uint64) for w in (0, g & low32, g >> 32)]
    key = [h & low32, h >> 32]
    for _ in range(10):
        first, second = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        words = [(second >> np.uint64(32)) ^ words[1] ^ np.uint64(key[0]), second & np.uint64(low32),
                 (first >> np.uint64(32)) ^ words[3] ^ np.uint64(key[1]), first & np.uint64(low32)]
        key = [(key[0] + 0x9E3779B9) & low32, (key[1] + 0xBB67AE85) & low32]
    pairs = np.stack([(words[0] << np.uint64(32)) | words[1], (words[2] << np.uint64(32)) | words[3]], axis=1)
    return (((pairs.reshape(-1)[:n] >> np.uint64(11)).astype(np.float64)) + 0.5) * 2.0 ** -53


def normals(n, **key):  # Box-Muller, in pairs
    u = uniforms(n + n % 2, **key).reshape(-1, 2)
    radius, angle = np.sqrt(-2.0 * np.log(u[:, 0])), 2.0 * math.pi * u[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:n].astype(np.float32)


noise_stream, label_stream = 1, 7

# --- brittleness ----------------------------------------------------------------------------------------


def ordinary_rms(h):
    """RMS of every token, 0 at the sink (position 0): (1, tokens, 1)."""
    rms = h.pow(2).mean(-1, keepdim=True).sqrt()
    return torch.cat([torch.zeros_like(rms[:, :1]), rms[:, 1:]], dim=1)


def noise_kappa(model, states, p, document):
    """For every state the second derivative of the mean KL along strata's noise: mean_t Var_p(d logits)."""
    kappa = []
    for state, h in enumerate(states):
        xi = np.stack([normals(h.shape[2], stream=noise_stream, a=state, b=document, c=0, d=t)
                       for t in range(h.shape[1])])
        direction = ordinary_rms(h) * torch.from_numpy(xi.astype(np.float64))
        with torch.no_grad(), forward_ad.dual_level():
            dual = forward_ad.make_dual(h, direction)
            last = ([dual] + run_blocks(model, dual, state))[-1]
            moved = forward_ad.unpack_dual(logits_of(model, last)).tangent[:-1]
        variance = (p * moved.pow(2)).sum(-1) - (p * moved).sum(-1).pow(2)
        kappa.append(variance.mean().item())
    return kappa


def label_kappa(model, ids, draws):
    """For every state and draw: (1/T) sum of rms^2 |g|^2 over ordinary tokens, g = d/dh sum_t ln p_t(y_t)."""
    h = model.model.embed_tokens(torch.tensor([ids])).requires_grad_(True)
    states = [h] + run_blocks(model, h, 0)
    log_p = torch.log_softmax(logits_of(model, states[-1])[:-1], dim=-1)
    weights = [ordinary_rms(s.detach()).pow(2) for s in states]
    rows = []
    for labels in draws(log_p.detach().exp()):
        score = log_p.gather(1, labels[:, None]).sum()
        gradients = torch.autograd.grad(score, states, retain_graph=True)
        rows.append([(w * g.pow(2)).sum().item() / (len(ids) - 1) for w, g in zip(weights, gradients)])
    return np.array(rows)


def strata_labels(window, count):
    """Inverse of the cumulated probabilities at strata's uniform numbers."""
    def draw(p):
        cumulated = p.cumsum(-1)
        for s in range(count):
            u = torch.from_numpy(uniforms(p.shape[0], stream=label_stream, a=window, b=s))
            yield torch.searchsorted(cumulated, u[:, None], right=True)[:, 0].clamp(max=p.shape[1] - 1)
    return draw


def own_labels(count, seed):
    generator = torch.Generator().manual_seed(seed)

    def draw(p):
        for _ in range(count):
            yield torch.multinomial(p, 1, generator=generator)[:, 0]
    return draw


def skip_costs(model, states, log_p, ids):
    """For every block left out: mean KL(whole || without it), mean change of NLL, top-1 agreement."""
    n = len(ids)
    target = torch.tensor(ids[1:])[:, None]
    rows = []
    for block in range(len(states) - 1):
        with torch.no_grad():
            last = ([states[block]] + run_blocks(model, states[block], block + 1))[-1]
            other = torch.log_softmax(logits_of(model, last)[:-1], dim=-1)
        kl = (log_p.exp() * (log_p - other)).sum(-1).mean().item()
        nll = (log_p - other).gather(1, target).mean().item()
        top1 = (log_p.argmax(-1) == other.argmax(-1)).double().mean().item()
        rows.append((kl, nll, top1))
    assert n == states[0].shape[1]
    return rows


def make_brittleness(own_draws):
    path = model_path()
    model = open_model(path)
    documents = []
    for document, name in enumerate(texts):
        ids = tokenize((root / name).read_text(encoding="utf-8"), path)[:tokens]
        with torch.no_grad():
            states = all_states(model, ids)
            log_p = torch.log_softmax(logits_of(model, states[-1])[:-1], dim=-1)
        own = label_kappa(model, ids, own_labels(own_draws, document))
        skip = skip_costs(model, states, log_p, ids)
        documents.append({
            "file": name, "ids": ids,
            "nll": -log_p.gather(1, torch.tensor(ids[1:])[:, None]).mean().item(),
            "kappa_of_strata_noise": noise_kappa(model, states, log_p.exp(), document),
            "kappa_of_strata_labels": label_kappa(model, ids, strata_labels(document, 4)).mean(0).tolist(),
            "kappa_of_own_labels": own.mean(0).tolist(),
            "kappa_of_own_labels_error": (own.std(0, ddof=1) / math.sqrt(own_draws)).tolist(),
            "skip_kl": [row[0] for row in skip], "skip_delta_nll": [row[1] for row in skip],
            "skip_top1": [row[2] for row in skip]})
        print(name, "done", flush=True)
    about = (f"make.py with PyTorch {torch.__version__}, transformers {__import__('transformers').__version__}, float64; "
             f"position 0 is the sink; {own_draws} draws of own labels")
    (here / "brittleness.json").write_text(json.dumps({"about": about, "documents": documents}, indent=1) + "\n")


# --- divergence -----------------------------------------------------------------------------------------


def taken_from(model, other, part):
    """`model` with one part of `other`: a block's number, "embedding", "head" or "everything"."""
    layers = list(other.model.layers if part == "everything" else model.model.layers)
    if isinstance(part, int):
        layers[part] = other.model.layers[part]
    source = lambda name: other if part in (name, "everything") else model
    return source("embedding").model.embed_tokens, layers, source("head")


def log_probabilities(parts, ids):
    embedding, layers, head = parts
    n = len(ids)
    with torch.no_grad():
        h = embedding(torch.tensor([ids]))
        for layer in layers:
            h = layer(h, attention_mask=causal_mask(n), position_ids=torch.arange(n)[None])[0]
        return torch.log_softmax(logits_of(head, h)[:-1], dim=-1)


def damage(original, other, ids):
    target = torch.tensor(ids[1:])[:, None]
    return {"kl": (original.exp() * (original - other)).sum(-1).mean().item(),
            "delta_nll": (original - other).gather(1, target).mean().item(),
            "same_top": (original.argmax(-1) == other.argmax(-1)).double().mean().item()}


def make_divergence():
    path = pathlib.Path(model_path())
    model = open_model(path)
    ids = [tokenize((root / name).read_text(encoding="utf-8"), path)[:tokens] for name in texts]
    variants = {}
    for kind in ("Q8_0", "Q4_K_M"):
        file = path.with_name(path.name.replace("Q4_1", kind))
        other = open_model(file)
        parts = ["everything", "embedding", *range(len(model.model.layers)), "head"]
        variants[kind] = {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "documents": []}
        for document in ids:
            whole = log_probabilities(taken_from(model, model, "everything"), document)
            variants[kind]["documents"].append(
                {str(part): damage(whole, log_probabilities(taken_from(model, other, part), document), document)
                 for part in parts})
        print(kind, "done", flush=True)
    about = f"make.py with PyTorch {torch.__version__}, transformers {__import__('transformers').__version__}, float64"
    (here / "divergence.json").write_text(
        json.dumps({"about": about, "ids": ids, "variants": variants}, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    task = sys.argv[1] if len(sys.argv) > 1 else ""
    if task == "states":
        make_states(*sys.argv[2:3])
    elif task == "brittleness":
        make_brittleness(int(sys.argv[2]) if len(sys.argv) > 2 else 4)
    elif task == "divergence":
        make_divergence()
    else:
        sys.exit(__doc__)
