# SPDX-License-Identifier: MIT
"""Makes this folder's models and expected.json with torch, transformers and tokenizers: a tiny Llama that has learned text.txt by
heart a little (`reference`), the same with coarse weights (`coarse`), and what each makes of the text. Run: python3 make_golden.py

Perplexity as Hugging Face's "Perplexity of fixed-length models": sliding windows, each a pass of its own; every scored token counts
the same."""
import json
import math
import os

import numpy
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = open(os.path.join(HERE, "text.txt"), encoding="utf-8").read()
CONTEXT = 128


def make_tokenizer():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([TEXT], trainers.BpeTrainer(vocab_size=384, special_tokens=["<s>", "</s>"], show_progress=False,
                                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", t.token_to_id("<s>"))])
    return PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<s>", eos_token="</s>", clean_up_tokenization_spaces=False)


def make_model(ids, n_vocab):
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=n_vocab, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=CONTEXT,
                                         bos_token_id=0, eos_token_id=1, tie_word_embeddings=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        at = torch.randint(0, len(ids) - CONTEXT, (4,))
        batch = torch.stack([ids[i:i + CONTEXT] for i in at])
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def coarse(model):
    """Weights rounded to 15 steps a matrix row: what 4 bits make of them, roughly."""
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 2:
                scale = p.abs().amax(1, keepdim=True) / 7
                p.copy_((p / scale).round() * scale)


def windows(model, ids, context, stride):
    """Log probabilities [scored][vocabulary] and the tokens that came."""
    rows, came, scored_to, begin = [], [], 0, 0
    while scored_to < len(ids):
        end = min(begin + context, len(ids))
        first = max(scored_to, begin + 1)
        with torch.no_grad():
            logits = model(ids[begin:end][None]).logits[0].double()
        rows.append(torch.log_softmax(logits[first - 1 - begin:end - 1 - begin], -1))
        came.append(ids[first:end])
        scored_to, begin = end, begin + stride
    return torch.cat(rows), torch.cat(came)


def describe(tokenizer, model, reference, ids, context, stride):
    p, came = windows(model, ids, context, stride)
    q, _ = windows(reference, ids, context, stride)
    loss = -p.gather(1, came[:, None])[:, 0]
    kl = (q.exp() * (q - p)).sum(1).numpy()
    n_bytes = sum(len(bytes_of(tokenizer, i)) for i in came.tolist())
    return {"tokens": len(ids), "context": context, "stride": stride, "scored_tokens": len(came), "scored_bytes": n_bytes,
            "loss": loss.mean().item(), "perplexity": math.exp(loss.mean().item()),
            "bits_per_byte": loss.sum().item() / math.log(2) / n_bytes,
            "reference": {"perplexity": math.exp(-q.gather(1, came[:, None]).mean().item()),
                          "top1_agreement": (p.argmax(1) == q.argmax(1)).double().mean().item(),
                          "kl_divergence": {"mean": kl.mean(), "max": kl.max(),
                                            **{f"p{s}": numpy.percentile(kl, s) for s in (50, 95, 99)}}}}


def bytes_of(tokenizer, i):
    table = {c: b for b, c in byte_alphabet().items()}
    return bytes(table[c] for c in tokenizer.convert_ids_to_tokens(i)) if i > 1 else b""


def byte_alphabet():
    """GPT-2's: a printable character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def main():
    tokenizer = make_tokenizer()
    ids = tokenizer(TEXT, return_tensors="pt").input_ids[0]
    model = make_model(ids, len(tokenizer))
    for name in ("reference", "coarse"):
        if name == "coarse":
            coarse(model)
        folder = os.path.join(HERE, name)
        model.to(torch.bfloat16).save_pretrained(folder)
        model.float()
        tokenizer.save_pretrained(folder)
    loaded = [AutoModelForCausalLM.from_pretrained(os.path.join(HERE, n), dtype=torch.float32) for n in ("coarse", "reference")]
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(HERE, "coarse"))
    assert tokenizer(TEXT).input_ids == ids.tolist()
    cases = [describe(tokenizer, *loaded, ids[:limit] if limit else ids, context, stride)
             for context, stride, limit in ((128, 64, 0), (64, 64, 0), (48, 17, 0), (128, 1, 150), (2, 1, 40), (128, 128, 100))]
    with open(os.path.join(HERE, "expected.json"), "w", encoding="utf-8") as f:
        json.dump({"ids": len(ids), "cases": cases}, f, indent=1)
        f.write("\n")


main()
