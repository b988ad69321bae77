#pragma once

#include <array>

namespace heed {

/// The files of a checkpoint's folder by which its tokenizer is known, of every kind that Heed
/// reads: what a copy of the folder must take along.
inline constexpr std::array<const char*, 13> kTokenizerFiles = {"tokenizer.json",
                                                                "tokenizer_config.json",
                                                                "special_tokens_map.json",
                                                                "vocab.txt",
                                                                "vocab.json",
                                                                "merges.txt",
                                                                "added_tokens.json",
                                                                "spiece.model",
                                                                "sentencepiece.bpe.model",
                                                                "tokenizer.model",
                                                                "sentencepiece.model",
                                                                "source.spm",
                                                                "target.spm"};

}  // namespace heed
