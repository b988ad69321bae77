#pragma once

#include <string>
#include <string_view>

#include "heed/search/manifest.h"
#include "heed/tasks/embed.h"

namespace heed {

/// Eight hexadecimal digits of all that decides what a model computes: the names and contents of
/// the .json, .txt, .model, .safetensors and .gguf files of a checkpoint, hidden ones left out.
/// `model` is what find_model() takes. Error as find_model().
std::string fingerprint_of(std::string_view model);

/// A model whose vectors have length 1, for an index.
Embedder load_index_embedder(std::string_view model);
/// The model that an index was made with, from where it was then, or from `model`. Error
/// invalid_argument if what is there now is another one.
Embedder load_index_embedder(const IndexSettings& settings, std::string_view model = {});

/// What an index with this model records. Without numbers: chunks of 128 tokens, or what the model
/// reads if that is less, a quarter of which overlap. Error invalid_argument for more tokens than
/// the model reads.
struct ChunkWish {
  int64_t tokens = 0;    // 0: not said
  int64_t overlap = -1;  // -1: not said
};
IndexSettings index_settings(std::string_view model, const Embedder& embedder,
                             const ChunkWish& wish = {});

}  // namespace heed
