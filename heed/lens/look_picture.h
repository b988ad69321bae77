#pragma once

#include <optional>
#include <string>
#include <vector>

#include "heed/lens/look.h"
#include "heed/lens/picture.h"

namespace heed {

/// Which layers, or which heads, maps are drawn of.
struct Pick {
  enum class Kind { one, mean, all } kind = Kind::mean;
  int64_t index = 0;  // of the one

  static Pick one(int64_t index) { return {Kind::one, index}; }
  static Pick all() { return {Kind::all, 0}; }
};

struct LookView {
  Pick layer;
  Pick head;
  bool sinks = false;                          // keep the rows and columns of sinks
  int64_t first_row = 0;                       // words before it are no rows, but for long texts
  std::vector<std::optional<int64_t>> marked;  // a word to mark in each look; may be empty
  std::string model;                           // its name, for the caption
  std::string title = "Where each word looks";
};

/// Heat maps of words looking at words: one map a text, layer and head picked, all with the same
/// colours, so that they can be compared. Error invalid_argument for a layer or head that the model
/// does not have.
Picture look_picture(const std::vector<Look>& looks, const LookView& view);

/// Where one word looks, layer by layer: rows are layers (mean of the heads), columns words.
HeatMap word_by_layer(const Look& look, int64_t word, bool sinks);

/// The text, or both of a pair; a long one is cut and its tokens counted.
std::string look_title(const Look& look);

/// "[CLS] and [SEP]": the sinks of a text by name, each once.
std::string sink_names(const Look& look);

/// The weight on all sinks in each layer, mean over the heads: of one word's look, or the mean over
/// all words that are no sinks. [L]
std::vector<float> sink_share(const Look& look, std::optional<int64_t> word);

}  // namespace heed
