#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains tiny SentencePiece models on sentences of our own and writes what Hugging Face's libraries make of them.

    pip install sentencepiece==0.2.3 tokenizers==0.23.3 transformers==5.24.0 protobuf && make.py FOLDER

unigram.jsonl: the model alone. A line is a vocabulary {"tokens", "scores", "unk", "byte_fallback"} or a case of the one
before it {"text", "ids"} ("error": true where the library refuses the text).
charsmap.jsonl: the normalization alone. {"blob": hexadecimal} or a case of the one before it {"in", "out"}.
NAME.model, NAME.jsonl: whole tokenizers. The first line is {"tokenizer_config", "model_type", "tokenizer"}, the last being
what AutoTokenizer makes of the two as a tokenizer.json, without templates of pairs; the others are texts with its ids:
"plain" without special tokens, "special" with them."""
import json
import os
import random
import shutil
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import sentencepiece
from tokenizers import models, normalizers
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import import_protobuf

pb = import_protobuf()
RULES = "C5\t41\n41 30A\t41\n212B\t41\nFB01\t66 69\n2460\t31\n3000\t20\n9\t20\n2003\t20\n301\t\nA0\t20\n41 301\t61\nFF21\t41\n" \
        "65 301\tE9\n1F469\t77\nAC00\t1100 1161\nAD\t\n2026\t2E 2E 2E\nDF\t73 73\n"
SENTENCES = """The sensor in the cellar reports a temperature of 21.5 degrees and a humidity of 48 percent.
Carbon monoxide rose from 0.004 to 0.009 ppm while smoke stayed at 0.02.
No motion was seen, and the light is off.  Two blanks stand here, and   three there.
Die Temperatur im Keller beträgt 21,5 Grad; die Luftfeuchte liegt bei 48 %.
La température de la cave est de 21,5 degrés, l’humidité de 48 %.
温度は二十一度、湿度は四十八パーセントです。
Датчик в подвале показывает температуру и влажность воздуха.
if (temp > 30.0) { alert("too hot"); } else { return false; }
An anomaly is a value that lies far from its neighbours: a single reading of 0.1 degrees among twenty-twos.
Devices publish a message every one to five seconds, and the analysis runs beside them.
""".splitlines()
MODELS = {
    "unigram-plain": ("unigram", dict(vocab_size=220, character_coverage=0.98), {"tokenizer_class": "PreTrainedTokenizerFast"}, ""),
    "unigram-bytes": ("unigram", dict(vocab_size=420, byte_fallback=True, character_coverage=0.98, user_defined_symbols=["<sep>"],
                                      control_symbols=["<ctl>"]), {"add_bos_token": True, "bos_token": "<s>"}, ""),
    "unigram-rules": ("unigram", dict(vocab_size=220, character_coverage=0.98, rules=True), {"legacy": False}, ""),
    "bpe": ("bpe", dict(vocab_size=460, byte_fallback=True, character_coverage=0.98, remove_extra_whitespaces=False),
            {"add_bos_token": True, "add_eos_token": True}, "mistral"),
    "bpe-user": ("bpe", dict(vocab_size=460, byte_fallback=True, character_coverage=0.98, rules=True,
                             user_defined_symbols=["<|im_start|>", "<|im_end|>", "temp"]),
                 {"tokenizer_class": "InternLM2Tokenizer", "add_bos_token": True, "added_tokens_decoder": {
                     "5": {"content": "temp", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                           "special": False}}}, "internlm2"),
    "llama": ("bpe", dict(vocab_size=460, byte_fallback=True, character_coverage=0.98, remove_extra_whitespaces=False),
              {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False, "added_tokens_decoder": {
                  "460": {"content": "<|user|>", "lstrip": False, "normalized": False, "rstrip": True, "single_word": False,
                          "special": True}}}, "llama"),
    "llama-legacy": ("bpe", dict(vocab_size=460, byte_fallback=True, character_coverage=0.98, remove_extra_whitespaces=False),
                     {"tokenizer_class": "LlamaTokenizer", "legacy": True}, "minicpm"),
    "gemma": ("bpe", dict(vocab_size=460, byte_fallback=True, character_coverage=0.98, remove_extra_whitespaces=False,
                          add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, bos_piece="<bos>", eos_piece="<eos>",
                          user_defined_symbols=["<mask>", "<start_of_turn>", "\n", "\n\n", "▁▁", "▁▁▁"]),
              {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "bos_token": "<bos>", "eos_token": "<eos>"}, "gemma"),
}
PARTS = ["a", "e", " ", "  ", "   ", "▁", "\n", "\t", "\u3000", "the", "sensor", "temp", "temperature", "<unk>", "<s>", "</s>", "<sep>",
         "<ctl>", "<|im_start|>", "<|im_end|>", "<|user|>", "<start_of_turn>", "<0x41>", "字", "温度", "漢字", "é", "e\u0301", "\u0301",
         "Å", "A\u030a", "A\u0301", "ﬁ", "①", "Ａ", "ß", "가", "\u00ad", "…", "\u00a0", "👩", "👩\u200d👧", "🇩🇪", "\r\n", "х", "21.5", "%",
         "degrees", "Z", "q", "\u0000", "\u0001", "A", "Å\u0301", "x\u0301"]


def texts(rng, n):
    for _ in range(n):
        kind = rng.randrange(4)
        if kind == 0:
            line = rng.choice(SENTENCES)
            at = rng.randrange(len(line))
            yield line[at:at + rng.randrange(1, 60)]
        elif kind == 1:
            yield rng.choice(PARTS) * rng.randrange(1, 9)
        else:
            yield "".join(rng.choice(PARTS) for _ in range(rng.randrange(1, 12)))


def train(folder, kind, options):
    options = dict(options)
    rules = options.pop("rules", False)
    if rules:
        with open(folder + "/rules.tsv", "w", encoding="utf-8") as f:
            f.write(RULES)
        options["normalization_rule_tsv"] = folder + "/rules.tsv"
    else:
        options["normalization_rule_name"] = "identity"
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES), model_type=kind, model_prefix=folder + "/tokenizer",
                                             minloglevel=2, num_threads=1, hard_vocab_limit=False, **options)
    proto = pb.ModelProto()
    with open(folder + "/tokenizer.model", "rb") as f:
        proto.ParseFromString(f.read())
    proto.trainer_spec.ClearField("model_prefix")  # paths of this machine
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    for spec in (proto.trainer_spec, proto.normalizer_spec):
        assert folder not in str(spec)
    with open(folder + "/tokenizer.model", "wb") as f:
        f.write(proto.SerializeToString())
    return proto


def whole(out, name, rng, kind, options, config, model_type):
    with tempfile.TemporaryDirectory() as folder:
        proto = train(folder, kind, options)
        shutil.copy(folder + "/tokenizer.model", f"{out}/{name}.model")
        for path, content in (("config.json", {"model_type": model_type} if model_type else {}), ("tokenizer_config.json", config)):
            with open(f"{folder}/{path}", "w", encoding="utf-8") as f:
                json.dump(content, f)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(f"{out}/{name}.jsonl", "w", encoding="utf-8") as f:
        made = json.loads(tokenizer.backend_tokenizer.to_str())
        del made["post_processor"]["pair"]
        f.write(json.dumps({"tokenizer_config": config, "model_type": model_type, "tokenizer": made}, ensure_ascii=False) + "\n")
        for text in texts(rng, 120):
            plain = tokenizer(text, add_special_tokens=False)["input_ids"]
            f.write(json.dumps({"text": text, "plain": plain, "special": tokenizer(text)["input_ids"]}, ensure_ascii=False) + "\n")
    return proto


def unigram(out, rng, vocabularies):
    with open(out + "/unigram.jsonl", "w", encoding="utf-8") as f:
        for tokens, scores, unk, fallback in vocabularies:
            f.write(json.dumps({"tokens": tokens, "scores": scores, "unk": -1 if unk is None else unk, "byte_fallback": fallback},
                               ensure_ascii=False) + "\n")
            model = models.Unigram(list(zip(tokens, scores)), unk, fallback)
            for text in texts(rng, 150):
                text = text.replace(" ", "▁")
                case = {"text": text}
                try:
                    case["ids"] = [t.id for t in model.tokenize(text)]
                except Exception:
                    case["error"] = True
                f.write(json.dumps(case, ensure_ascii=False) + "\n")


def charsmap(out, rng, blob):
    with open(out + "/charsmap.jsonl", "w", encoding="utf-8") as f:
        f.write(json.dumps({"blob": blob.hex()}) + "\n")
        normalizer = normalizers.Precompiled(blob)
        for text in texts(rng, 300):
            f.write(json.dumps({"in": text, "out": normalizer.normalize_str(text)}, ensure_ascii=False) + "\n")


def main():
    out = sys.argv[1]
    rng = random.Random(1)
    protos = {name: whole(out, name, rng, *model) for name, model in MODELS.items()}
    pieces = protos["unigram-bytes"].pieces
    tokens, scores = [p.piece for p in pieces], [p.score for p in pieces]
    unigram(out, rng, [
        (tokens, scores, 0, True),
        (tokens, scores, 0, False),
        (tokens, [-rng.random() * 9 if s else 0.0 for s in scores], 0, True),
        (["<unk>", "a", "e", "ae", "a", "▁", "<0xE5>", "<0xAD>", "<0x97>"], [0.0, -1.0, -2.0, -2.5, -0.5, -3.0, -9.0, -9.0, -9.0], 0, True),
        (["<unk>", "a", "字字", "字", "温度温"], [20.0, 20.0, 20.0, 9.0, 29.5], 0, False),
        (["a", "e", "▁"], [-1.0, -2.0, -3.0], None, True),
    ])
    charsmap(out, rng, protos["unigram-rules"].normalizer_spec.precompiled_charsmap)


main()
