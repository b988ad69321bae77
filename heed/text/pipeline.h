#pragma once

#include <memory>
#include <string>
#include <vector>

#include "heed/text/added_tokens.h"
#include "heed/text/decoder.h"
#include "heed/text/model.h"
#include "heed/text/normalizer.h"
#include "heed/text/post_processor.h"
#include "heed/text/pre_tokenizer.h"
#include "heed/text/tokenizer.h"
#include "heed/text/tokenizer_files.h"
#include "heed/text/vocabulary.h"

namespace heed {

/// What a tokenizer is made of, in the order in which text passes.
struct TokenizerParts {
  std::unique_ptr<const Vocabulary> vocabulary;  // the model refers to it
  std::vector<AddedToken> added_tokens;
  NormalizerPtr normalizer;       // may be null
  PreTokenizerPtr pre_tokenizer;  // may be null
  std::unique_ptr<const Model> model;
  Template post = plain_template();
  DecoderPtr decoder = spaced_decoder();
  std::vector<std::string> pad_tokens = {"[PAD]", "<pad>"};  // the first that the vocabulary has
};

/// Checks the parts against each other; `where` names the file in errors. Error corrupt_data.
std::shared_ptr<const Tokenizer> make_tokenizer(TokenizerParts parts, std::string_view where);

/// A tokenizer.json's content. Error corrupt_data / unsupported naming `where` and the field.
std::shared_ptr<const Tokenizer> tokenizer_from_json(std::string_view text, std::string_view where);

/// A vocab.txt's content (a piece a line, WordPiece) with what the files beside it say. Errors as
/// above.
std::shared_ptr<const Tokenizer> tokenizer_from_vocab(std::string_view vocab,
                                                      const TokenizerSettings& settings,
                                                      std::string_view where);

/// The contents of the files of the first GPT-2 checkpoints.
struct MergesFiles {
  std::string vocab;   // vocab.json: ids by piece
  std::string merges;  // merges.txt: a merge a line, best first
  TokenizerSettings settings = {};
};
/// GPT-2's and RoBERTa's byte-level BPE. `where` names their folder in errors, which are as above.
std::shared_ptr<const Tokenizer> tokenizer_from_merges(const MergesFiles& files,
                                                       std::string_view where);

}  // namespace heed
