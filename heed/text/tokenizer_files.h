#pragma once

#include <array>
#include <string>

namespace heed {

/// The contents of the files beside a vocabulary that say how texts are cut; "" for one that there
/// is none of.
struct TokenizerSettings {
  std::string config = {};              // tokenizer_config.json
  std::string special_tokens_map = {};  // special_tokens_map.json
  std::string added_tokens = {};        // added_tokens.json
};

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

/// What a folder says of the texts that its model writes: how a conversation is laid out, and how
/// tokens are picked. A copy takes it along too.
inline constexpr std::array<const char*, 3> kWritingFiles = {
    "chat_template.jinja", "chat_template.json", "generation_config.json"};

}  // namespace heed
