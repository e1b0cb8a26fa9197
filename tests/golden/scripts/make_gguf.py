#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Golden models as GGUF files, by llama.cpp's own converter, without a vocabulary.

    make_gguf.py --llama-cpp CHECKOUT --models DIR --out DIR [--type f32] NAME...

The converter's folder is not part of this repository. What it writes holds the model's numbers as they are (f32, or
bf16 and f16 for models stored so), so that the model's golden is the file's.
"""
import argparse, json, os, shutil, sys, tempfile
from pathlib import Path

ap = argparse.ArgumentParser()
ap.add_argument("--llama-cpp", required=True)
ap.add_argument("--models", required=True)
ap.add_argument("--out", required=True)
ap.add_argument("--type", default="f32")
ap.add_argument("names", nargs="+")
a = ap.parse_args()
sys.path[:0] = [a.llama_cpp, os.path.join(a.llama_cpp, "gguf-py")]
import gguf, torch
from conversion import ModelType, get_model_architecture, get_model_class
from conversion.base import ModelBase

TYPES = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16, "bf16": gguf.LlamaFileType.MOSTLY_BF16}


# Keys that published models have, transformers does without, and the converter needs.
ADDED = {"gpt2": {"n_ctx": 128}, "gpt2-wide": {"n_ctx": 70}, "bloom": {"seq_length": 128}, "neox-parallel": {"rotary_pct": 0.25}, "falcon-7b": {"num_kv_heads": 1},
         "falcon-mq": {"num_kv_heads": 1}}
RENAMED = {"MptForCausalLM": "MPTForCausalLM"}


def no_vocabulary(self):
    self.gguf_writer.add_tokenizer_model("none")
    if f"{self.gguf_writer.arch}.vocab_size" not in self.gguf_writer.kv_data[0]:
        self.gguf_writer.add_vocab_size(self.hparams["vocab_size"])


def stack_norms(self, data, name, bid):
    """StableLM's norms of heads: as the converter means to, one tensor a layer."""
    which = "q" if "q_layernorm" in name else "k"
    norms = self.__dict__.setdefault("norms", {}).setdefault((bid, which), {})
    norms[int(name.split(".")[-2])] = data
    if len(norms) == self.hparams["num_attention_heads" if which == "q" else "num_key_value_heads"]:
        yield f"blk.{bid}.attn_{which}_norm.weight", torch.stack([norms[i] for i in sorted(norms)])


def patch_stablelm(kind):
    plain = kind.modify_tensors
    kind.modify_tensors = lambda self, data, name, bid: (stack_norms if "layernorm.norms" in name else plain)(self, data, name, bid)


def convert(name):
    source, out = os.path.join(a.models, name), Path(a.out) / f"{name}-{a.type}.gguf"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        config = json.load(open(os.path.join(folder, "config.json")))
        config = {**config, **ADDED.get(name, {}), "architectures": [RENAMED.get(x, x) for x in config["architectures"]]}
        json.dump(config, open(os.path.join(folder, "config.json"), "w"))
        tokens = {str(i): i for i in range(config.get("text_config", config)["vocab_size"])}
        json.dump({"model": {"vocab": tokens}, "added_tokens": []}, open(os.path.join(folder, "tokenizer.json"), "w"))  # Gemma 3's counts it
        hparams = ModelBase.load_hparams(Path(folder), False)
        kind = get_model_class(get_model_architecture(hparams, ModelType.TEXT))
        kind.set_vocab = no_vocabulary
        if kind.__name__ == "StableLMModel":
            patch_stablelm(kind)
        with torch.inference_mode():
            model = kind(Path(folder), TYPES[a.type], out, model_name=name)
            model.hparams.update(ADDED.get(name, {}))
            model.write()
    golden = json.load(open(os.path.join(source, "golden.json")))
    golden = {**golden, "name": out.name, "from": name, "matrices": a.type.upper()}
    out.with_name(out.name + ".golden.json").write_text(json.dumps(golden, separators=(",", ":")).replace('{"case":', '\n{"case":') + "\n")


for name in a.names:
    try:
        convert(name)
        print(name, "written")
    except Exception as e:
        print(f"{name}: {type(e).__name__}: {str(e)[:300]}")
        if os.environ.get("TRACE"):
            raise
