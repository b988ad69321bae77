"""Writes what transformers makes of scores and which texts it writes, for the tests of generate.

    python tools/make_generation_goldens.py

Needs torch, transformers, tokenizers; reads the gpt2_* folders that make_model_goldens.py wrote. Writes
tests/golden/generation.json:
  scores   random logits and texts, and what transformers' own logits processors make of them for every
           option of generation_config.json alone and for combinations; and the tokens that draws pick
  texts    what generate() writes with such options: greedily, with beams, with stop strings, and drawn by Heed's
           draws (a function of seed and step) in place of torch.multinomial
Everything is drawn from SEED on one thread; versions are recorded.
"""

import json
import math
import random

import tokenizers
import torch
import transformers
from make_goldens import GOLDEN, SEED, VERSIONS

VOCAB, END = 31, [29, 30]
DRAWS = [0.0, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.9999]
DRAWN = {"do_sample": True, "top_k": 0}

# By the names of generation_config.json.
RULES = [
    {"sequence_bias": [[[3], 2.5], [[4], -1.5]]},
    {"sequence_bias": [[[1, 2], 5.0], [[2, 1, 7], -3.0], [[9, 9], 4.0]]},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.6},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"bad_words_ids": [[5], [6], [29]]},
    {"bad_words_ids": [[1, 2], [2, 1, 8], [7]]},
    {"min_length": 9},
    {"min_new_tokens": 2},
    {"forced_bos_token_id": 11},
    {"forced_eos_token_id": [29, 12]},
    {"suppress_tokens": [0, 1, 2, 3]},
    {"begin_suppress_tokens": [4, 5, 6]},
    {"begin_suppress_tokens": [4, 5, 6], "forced_bos_token_id": 3},
    {"repetition_penalty": 1.5, "no_repeat_ngram_size": 2, "min_new_tokens": 3},
    {"sequence_bias": [[[3], 1.0]], "repetition_penalty": 1.2, "bad_words_ids": [[4], [1, 5]],
     "suppress_tokens": [6, 7]},
]
LATER_RULES = [  # drawn after all others, which stay what they were
    {"exponential_decay_length_penalty": [0, 1.3]},
    {"exponential_decay_length_penalty": [1, 1.7], "forced_eos_token_id": [29, 30]},
    {"exponential_decay_length_penalty": [0, 0.6], "sequence_bias": [[[30], 4.0]]},
    {"renormalize_logits": True},
    {"renormalize_logits": True, "repetition_penalty": 1.4, "suppress_tokens": [0, 1, 30],
     "exponential_decay_length_penalty": [2, 1.2]},
]
CHOICES = [
    {"temperature": 0.7}, {"temperature": 1.8}, {"top_k": 1}, {"top_k": 5}, {"top_k": 100}, {"top_p": 0.2},
    {"top_p": 0.9}, {"min_p": 0.1}, {"min_p": 0.5}, {"typical_p": 0.2}, {"typical_p": 0.9},
    {"epsilon_cutoff": 0.05}, {"epsilon_cutoff": 0.9}, {"eta_cutoff": 0.3}, {"eta_cutoff": 0.02},
    {"temperature": 1.4, "top_k": 12, "top_p": 0.8},
    {"temperature": 0.9, "top_p": 0.95, "min_p": 0.05},
    {"top_k": 20, "typical_p": 0.7},
    {"temperature": 1.2, "top_k": 15, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.95, "epsilon_cutoff": 0.01,
     "eta_cutoff": 0.02},
]


# ---- Heed's draws ----------------------------------------------------------------------------------------------------


def philox(key, counter):
    """Philox-4x32 of 7 rounds: four words."""
    k, mask = [key & 0xFFFFFFFF, key >> 32], 0xFFFFFFFF
    for _ in range(7):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ k[0], b & mask, (a >> 32) ^ counter[3] ^ k[1], a & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return counter


def sampling_draw(seed, step):
    words = philox(seed, [step & 0xFFFFFFFF, step >> 32, 0, 4])
    return ((words[0] << 32 | words[1]) >> 11) * 2.0**-53


def pick(scores, draw):
    """From the likeliest on, of equal ones the lower id first, until the probabilities reach the draw."""
    probabilities = scores.double().softmax(-1).tolist()
    order = sorted(range(len(probabilities)), key=lambda i: (-scores[i].item(), i))
    reached = 0.0
    for i in order:
        reached += probabilities[i]
        if reached > draw:
            return i
    return [i for i in order if probabilities[i] > 0][-1]


def near_edge(scores, draw):
    """Whether rounding may decide what the draw picks."""
    probabilities = scores.double().softmax(-1).sort(descending=True).values.cumsum(-1)
    return (probabilities - draw).abs().min().item() < 1e-6 and draw > 0


# ---- scores ----------------------------------------------------------------------------------------------------------


def processed(model, logits, ids, prompt_tokens, most_tokens, options):
    config = transformers.GenerationConfig(**options, eos_token_id=END, pad_token_id=0, max_length=most_tokens)
    config._eos_token_tensor = torch.tensor(END)
    if config.top_k is None:
        config.top_k = 50 if config.do_sample else None
    processors = model._get_logits_processor(
        config, input_ids_seq_length=prompt_tokens, device="cpu",
        model_kwargs={"attention_mask": torch.ones(1, len(ids), dtype=torch.long)})
    return processors(torch.tensor([ids]), logits[None].clone())[0]


def score_cases(model):
    draw = random.Random(SEED)
    generator = torch.Generator().manual_seed(SEED)
    options = RULES + [{**DRAWN, **choice} for choice in CHOICES]
    options += [{**draw.choice(RULES), **DRAWN, **draw.choice(CHOICES)} for _ in range(30)] + [{"do_sample": True}]
    options += LATER_RULES + [{**one, **DRAWN, "top_p": 0.9} for one in LATER_RULES]
    cases = []
    for number, one in enumerate(options):
        for again in range(3):
            prompt = 1 if again == 2 else draw.randint(2, 6)
            tokens = prompt + (0 if again == 1 else draw.randint(0, 5))
            ids = [draw.randrange(4) if draw.random() < 0.7 else draw.randrange(VOCAB) for _ in range(tokens)]
            logits = torch.randn(VOCAB, generator=generator) * 2
            most = tokens + 1 if again == 0 and number % 2 else tokens + 4
            scores = processed(model, logits, ids, prompt, most, one)
            case = {"options": one, "ids": ids, "prompt_tokens": prompt, "most_tokens": most,
                    "logits": logits.tolist()}
            if one.get("do_sample"):
                case["picks"] = [[d, pick(scores, d)] for d in DRAWS if not near_edge(scores, d)]
            else:
                case["scores"] = [None if s == -math.inf else s for s in scores.tolist()]
            cases.append(case)
    return cases


# ---- texts -----------------------------------------------------------------------------------------------------------


def letter_tokenizer():
    """That of tests/letter_models.h: a space, then letters, the last token special."""
    vocab = {"\u0120": 0, **{chr(ord("a") + i): i + 1 for i in range(21)}, "<|endoftext|>": 22}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")


class Draws:
    """In place of torch.multinomial: one text, its draws by seed and step."""

    def __init__(self, seed):
        self.seed, self.step, self.sound = seed, 0, True

    def __call__(self, probabilities, num_samples):
        assert num_samples == 1 and len(probabilities) == 1
        scores, draw = probabilities[0].log(), sampling_draw(self.seed, self.step)
        self.sound = self.sound and not near_edge(scores, draw)
        self.step += 1
        return torch.tensor([[pick(scores, draw)]])


def text_options(draw):
    """Rules and choices for a vocabulary of 23 tokens whose last one ends a text."""
    rules = [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}, {"min_new_tokens": 5},
             {"bad_words_ids": [[3], [5, 6], [1, 2]]}, {"suppress_tokens": [2, 9]},
             {"begin_suppress_tokens": list(range(8))}, {"forced_eos_token_id": 22},
             {"sequence_bias": [[[4], 3.0], [[4, 5], -6.0]]},
             {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "min_length": 9}]
    for rule in rules:
        yield rule
        yield {**rule, "num_beams": draw.choice([2, 3, 4]), "length_penalty": draw.choice([0.0, 1.0, 2.0]),
               "early_stopping": draw.choice([True, False, "never"])}
        for choice in draw.sample(CHOICES, 3):
            yield {**rule, **DRAWN, "temperature": 1.3, **choice}
    for stop in (["a"], ["ab", "cd"], ["e", "f g"], [" "]):
        yield {"stop_strings": stop}
        yield {"stop_strings": stop, **DRAWN, "temperature": 2.0}
        yield {"stop_strings": stop, "num_beams": 3}


def later_text_options():
    decay = {"exponential_decay_length_penalty": [2, 1.15]}
    for beams in (2, 3, 4):
        yield {**decay, "num_beams": beams}
        yield {"renormalize_logits": True, "suppress_tokens": [2, 9], "num_beams": beams}
        yield {**decay, "renormalize_logits": True, "repetition_penalty": 1.4, "num_beams": beams,
               "length_penalty": 0.5}
    for temperature in (0.8, 1.3):
        yield {**decay, "renormalize_logits": True, **DRAWN, "temperature": temperature}
    yield decay


def text_case(model, name, options, draw, tokenizer):
    prompt = [draw.randrange(22) for _ in range(draw.randint(2, 6))]
    case = {"model": name, "prompt": prompt, "seed": draw.randrange(2**40),
            "options": {**options, "max_new_tokens": draw.randint(6, 17)}}
    draws = Draws(case["seed"])
    multinomial, torch.multinomial = torch.multinomial, draws
    out = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), eos_token_id=22, pad_token_id=0,
        return_dict_in_generate=True, output_scores=True, tokenizer=tokenizer,
        **{"do_sample": False, **case["options"]})
    torch.multinomial = multinomial
    case["ids"] = out.sequences[0, len(prompt):].tolist()
    if options.get("num_beams", 1) > 1:
        case["score"] = out.sequences_scores[0].item()
        if 22 in case["ids"]:
            case["ids"] = case["ids"][: case["ids"].index(22) + 1]
    return case if draws.sound else None


def text_cases():
    draw, tokenizer = random.Random(SEED), letter_tokenizer()
    cases = []
    for name in ("gpt2_2x5", "gpt2_3x8", "gpt2_1x16"):
        model = transformers.GPT2LMHeadModel.from_pretrained(
            GOLDEN / name, dtype=torch.float32, attn_implementation="eager").eval()
        for options in text_options(draw):
            case = text_case(model, name, options, draw, tokenizer)
            if case:
                cases.append(case)
    for name in ("gpt2_2x5", "gpt2_3x8"):
        model = transformers.GPT2LMHeadModel.from_pretrained(
            GOLDEN / name, dtype=torch.float32, attn_implementation="eager").eval()
        for options in later_text_options():
            case = text_case(model, name, options, draw, tokenizer)
            if case:
                cases.append(case)
    return cases


def main():
    torch.set_num_threads(1)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=VOCAB, n_positions=8, n_embd=4, n_layer=1, n_head=1))
    golden = {"versions": VERSIONS, "end": END, "scores": score_cases(model), "texts": text_cases()}
    (GOLDEN / "generation.json").write_text(json.dumps(golden) + "\n")
    print(len(golden["scores"]), "scores", len(golden["texts"]), "texts")


if __name__ == "__main__":
    main()
