#!/usr/bin/env python3
"""GGUF files of the reference checkpoints, written by llama.cpp's own converter, for converter_test.cpp.

    tests/model/convert.py LLAMA_CPP REFERENCES OUT
    STRATA_CONVERTED=OUT build/release/tests/model/model_test --gtest_filter='Converter*'

LLAMA_CPP is a source tree of llama.cpp (the PyPI source package llama-cpp-python has one in vendor/), REFERENCES the
data folder's reference/architectures. Needs torch and transformers. The checkpoints have no tokenizer, so the files
say "no_vocab". What the converter refuses is named and left out.
"""

import logging
import sys
from pathlib import Path

import torch

# Types that an older torch lacks and no reference uses.
for name in ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "uint16", "uint32", "uint64", "float4_e2m1fn_x2"):
    if not hasattr(torch, name):
        setattr(torch, name, name)


def convert(folder, out):
    import gguf
    from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

    config = ModelBase.load_hparams(folder, False)
    architecture = get_model_architecture(config, ModelType.TEXT)
    model_class = get_model_class(architecture)
    model_class.no_mtp = True
    with torch.inference_mode():
        model = model_class(folder, gguf.LlamaFileType.ALL_F32, out / f"{folder.name}.gguf", eager=True)
        vocabulary = config.get("vocab_size") or config["text_config"]["vocab_size"]

        def no_vocabulary():
            model.gguf_writer.add_tokenizer_model("no_vocab")
            model.gguf_writer.add_vocab_size(vocabulary)

        model.set_vocab = no_vocabulary
        model.write()


def main():
    llama_cpp, references, out = (Path(argument).resolve() for argument in sys.argv[1:4])
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    logging.basicConfig(level=logging.ERROR)
    out.mkdir(parents=True, exist_ok=True)
    for config in sorted(references.glob("*/config.json")):
        try:
            convert(config.parent, out)
            print(config.parent.name)
        except Exception as error:  # by whatever the converter stumbles over
            print(f"{config.parent.name}: refused: {error!r:.150}", file=sys.stderr)


main()
