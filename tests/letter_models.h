#pragma once

#include <filesystem>
#include <string>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/support.h"

// The random decoders of tests/golden as folders that take texts: their 23 tokens are letters.

namespace heed::testing {

/// Byte-level BPE without merges: special tokens from `first_special` on in `specials`, the others
/// letters, a space ("Ġ") first.
inline Json letter_tokenizer(int first_special, const std::vector<std::string>& specials) {
  Json added = Json::array(), vocab = Json::object();
  int id = 0;
  char letter = 'a';
  bool space = false;
  const int last_special = first_special + static_cast<int>(specials.size());
  for (; id < 23; ++id) {
    if (id >= first_special && id < last_special) {
      const std::string& content = specials[static_cast<size_t>(id - first_special)];
      added.push_back({{"id", id},
                       {"content", content},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
      vocab[content] = id;
    } else if (!space) {
      vocab["\u0120"] = id;
      space = true;
    } else {
      vocab[std::string(1, letter++)] = id;
    }
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocab},
            {"merges", Json::array()}}}};
}

/// The letters of an mBART that knows en_XX (3) and de_DE (4). `around` is what stands around a
/// text:
/// {"A", "</s>", "en_XX"}.
inline Json language_tokenizer(const std::vector<std::string>& around) {
  const std::vector<std::string> specials = {"<s>", "<pad>", "</s>", "en_XX", "de_DE"};
  Json tokenizer = letter_tokenizer(0, specials), steps = Json::array(), tokens = Json::object();
  for (const std::string& name : around) {
    steps.push_back({{name == "A" ? "Sequence" : "SpecialToken", {{"id", name}, {"type_id", 0}}}});
  }
  for (size_t id = 0; id < specials.size(); ++id) {
    tokens[specials[id]] = {
        {"id", specials[id]}, {"ids", Json::array({id})}, {"tokens", Json::array({specials[id]})}};
  }
  tokenizer["post_processor"] = {{"type", "TemplateProcessing"},
                                 {"single", steps},
                                 {"pair", steps},
                                 {"special_tokens", tokens}};
  return tokenizer;
}

/// tests/golden/NAME ("gpt2_3x8", "transformer_2x6") with a tokenizer.json, in a new folder.
class LetterModel {
 public:
  explicit LetterModel(const std::string& name) {
    std::filesystem::copy(golden_folder() / name, folder_.path(),
                          std::filesystem::copy_options::recursive);
    const Json tokenizer = name.starts_with("gpt2") ? letter_tokenizer(22, {"<|endoftext|>"})
                                                    : letter_tokenizer(0, {"<pad>", "<s>", "</s>"});
    write_file(folder_ / "tokenizer.json", tokenizer.dump());
  }
  const std::filesystem::path& path() const { return folder_.path(); }
  std::string name() const { return folder_.path().string(); }

 private:
  TemporaryFolder folder_;
};

}  // namespace heed::testing
