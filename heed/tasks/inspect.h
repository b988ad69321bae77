#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "heed/io/gguf.h"
#include "heed/models/encoder.h"
#include "heed/models/encoder_decoder.h"

namespace heed {

/// What a checkpoint holds and what Heed can do with it.
struct ModelSummary {
  struct StoredTensor {
    std::string name;   // the file's own
    std::string dtype;  // as the file writes it: "F32", "Q4_1"
    Shape shape;
    int64_t bytes = 0;
    std::string file;
  };
  struct DType {
    std::string name;
    int64_t tensors = 0;
    int64_t parameters = 0;
    int64_t bytes = 0;
  };
  struct File {
    std::string name;  // from the folder: "1_Pooling/config.json"
    int64_t bytes = 0;
  };
  struct Words {
    std::string kind;  // "WordPiece"
    int64_t vocab = 0;
  };

  std::vector<StoredTensor> tensors;            // by name
  std::map<std::string, std::string> metadata;  // of the headers of safetensors
  std::optional<Gguf> gguf;                     // if it is one, with its metadata
  std::string model_type;                       // config.json's; empty without one
  std::vector<std::string> architectures;       // config.json's
  // if Heed has the architecture and all its weights
  std::optional<EncoderFacts> facts;              // of an encoder or a causal language model
  std::optional<EncoderDecoderFacts> pair_facts;  // of an encoder-decoder
  std::optional<Words> tokenizer;                 // if Heed can read it
  std::vector<DType> dtypes;                      // most bytes first
  int64_t parameters = 0;                         // elements of all tensors
  int64_t bytes = 0;                              // of all tensors
  std::vector<File> files;                        // by name; of a folder only
  std::vector<std::string> commands;              // of Heed's program that take this model
  std::vector<std::string> obstacles;             // why others do not, a line each
};

/// Looks at a checkpoint folder (weights may lie in the folder that sentence-transformers'
/// modules.json names), a GGUF or a .safetensors file. What the model lacks to run is an obstacle
/// in the summary; Errors are those of Checkpoint::open and Gguf::open.
ModelSummary inspect_model(const std::filesystem::path& path);

}  // namespace heed
