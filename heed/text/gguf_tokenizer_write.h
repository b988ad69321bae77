#pragma once

#include <cstdint>
#include <filesystem>

#include "heed/io/gguf_write.h"

namespace heed {

/// Writes the tokenizer.json of a folder, with its chat template, as llama.cpp reads it: byte-level
/// BPE as "gpt2", SentencePiece's BPE as "llama" with scores in the order of its merges. `vocab` is
/// what the embeddings have; ids without a token get a name of their own. Error unsupported for
/// other tokenizers and for words that llama.cpp has no name for; errors of Tokenizer::load.
void add_gguf_tokenizer(const std::filesystem::path& folder, int64_t vocab, GgufWriter& writer);

}  // namespace heed
