#pragma once

#include <memory>
#include <string>

#include "heed/io/gguf.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// The tokenizer.json of a GGUF file's tokenizer: of kind "gpt2" (byte-level BPE; pre-tokenizers
/// as docs/tokenizers.md lists them) or "llama" (SentencePiece's BPE, whose
/// scores become an order of merges). Error unsupported for other kinds and pre-tokenizers;
/// corrupt_data names what is missing or wrong.
std::string gguf_tokenizer_json(const Gguf& file);

/// The tokenizer itself, with errors as above: what gguf_tokenizer_json() would load as.
std::shared_ptr<const Tokenizer> gguf_tokenizer(const Gguf& file);

/// The tokenizer_config.json that belongs to it: special tokens and the chat template.
std::string gguf_tokenizer_config(const Gguf& file);

/// What tokenizer.ggml.pre calls the words that a tokenizer.json cuts ("llama-bpe"), for writing
/// GGUF files; empty for a pre_tokenizer that has no such name here. pre_tokenizer and the result
/// are JSON as tokenizer.json has it.
std::string gguf_pre_name(const std::string& pre_tokenizer);

}  // namespace heed
