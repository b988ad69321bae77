#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "heed/text/tokenizer.h"
#include "heed/text/tokenizer_files.h"

namespace heed {

/// The contents of the files of a checkpoint with a SentencePiece model.
struct SentencePieceFiles {
  std::string model;  // spiece.model, sentencepiece.bpe.model, tokenizer.model, source.spm, ...
  TokenizerSettings settings = {};
  std::string model_type;  // of config.json; "" if there is none
  std::string vocab;       // Marian's vocab.json: ids by piece; "" if there is none
};

/// Texts are cut as the SentencePiece library cuts them; ids and special tokens are arranged as by
/// the class of tokenizer that tokenizer_config.json names, else the one that model_type has, else
/// as in the model itself. `where` names the model in errors. Error corrupt_data / unsupported.
std::shared_ptr<const Tokenizer> tokenizer_from_sentence_piece(const SentencePieceFiles& files,
                                                               std::string_view where);

/// The SentencePiece model of a checkpoint's folder (the source side's, of Marian's two); empty if
/// it has none.
std::filesystem::path sentence_piece_model_in(const std::filesystem::path& folder);

/// What cuts the texts that a checkpoint writes, where that is not what cuts its sources:
/// target.spm of a Marian's folder without a tokenizer.json; else null. Errors as
/// Tokenizer::load().
std::shared_ptr<const Tokenizer> target_tokenizer_in(const std::filesystem::path& folder);

}  // namespace heed
