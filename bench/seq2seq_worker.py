"""One peer of bench/seq2seq.py in a process of its own: what it writes from sources, and how long that takes.

Usage: seq2seq_worker.py pytorch|ctranslate2. Answers jobs, one JSON object a line.
"""
import json
import os
import sys

from peer import clock, peak_bytes
from texts import is_ragged, make_ids, make_mask


class PyTorch:
    def __init__(self, job):
        import torch
        from transformers import AutoModelForSeq2SeqLM

        self.torch = torch
        torch.set_num_threads(job["threads"])
        self.model = AutoModelForSeq2SeqLM.from_pretrained(job["model"], dtype=torch.float32).eval()

    def write(self, job):
        lengths = job["lengths"]
        ids = self.torch.from_numpy(make_ids(lengths, self.model.config.pad_token_id))
        # without a mask is its best case
        mask = {"attention_mask": self.torch.from_numpy(make_mask(lengths))} if is_ragged(lengths) else {}
        with self.torch.inference_mode():
            texts = self.model.generate(ids, **mask, num_beams=job["beams"], do_sample=False,
                                        min_new_tokens=job["new"], max_new_tokens=job["new"])
        return texts[:, 1:].tolist()


class CTranslate2:
    """Its tokens are texts: those that convert() made are the ids in figures."""

    def __init__(self, job):
        import ctranslate2

        self.translator = ctranslate2.Translator(
            os.path.join(job["model"], "ctranslate2"), device="cpu", compute_type="float32", inter_threads=1,
            intra_threads=job["threads"])

    def write(self, job):
        rows = zip(make_ids(job["lengths"]).tolist(), job["lengths"])
        results = self.translator.translate_batch(
            [[str(id) for id in row[:length]] for row, length in rows], beam_size=job["beams"],
            min_decoding_length=job["new"], max_decoding_length=job["new"])
        return [[int(token) for token in result.hypotheses[0]] for result in results]


def convert(folder, target):
    """A checkpoint of a vocabulary without words to CTranslate2's format, f32."""
    from ctranslate2.converters import TransformersConverter

    class Figures:
        """A tokenizer whose tokens are the ids in figures, as far as the converter asks."""

        def __init__(self, config):
            self.size = config.vocab_size
            self.bos_token = self.convert_ids_to_tokens(getattr(config, "bos_token_id", None))
            self.eos_token = self.convert_ids_to_tokens(config.eos_token_id)
            self.pad_token = self.convert_ids_to_tokens(config.pad_token_id)
            self.unk_token = self.convert_ids_to_tokens(3)

        def get_vocab(self):
            return {str(id): id for id in range(self.size)}

        def convert_ids_to_tokens(self, id):
            return None if id is None else str(id)

    class Converter(TransformersConverter):
        def load_model(self, model_class, model_name_or_path, **kwargs):
            model = super().load_model(model_class, model_name_or_path, **kwargs)
            # which configurations no longer have, and the converter asks for
            if not hasattr(model.config, "normalize_before"):
                model.config.normalize_before = False
            return model

        def load_tokenizer(self, tokenizer_class, model_name_or_path, **kwargs):
            from transformers import AutoConfig

            return Figures(AutoConfig.from_pretrained(model_name_or_path))

    Converter(folder).convert(target, force=True)


PEERS = {"pytorch": PyTorch, "ctranslate2": CTranslate2}


def main():
    model, key = None, None
    for line in sys.stdin:
        job = json.loads(line)
        asked = (job["model"], job["threads"])
        if asked != key:
            model = None  # frees its memory first
            model, key = PEERS[sys.argv[1]](job), asked
        start = clock(job["threads"])
        ids = model.write(job)
        seconds = clock(job["threads"]) - start
        print(json.dumps({"seconds": seconds, "ids": ids, "peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    main()
