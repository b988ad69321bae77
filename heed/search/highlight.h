#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "heed/tasks/embed.h"

namespace heed {

/// What stands between white space, without punctuation around it.
struct WordNear {
  Span bytes;       // of the text
  float score = 0;  // largest product of a token's vector (Embedder::token_vectors) and the query
};

/// The words of a text that have a letter or a digit, in its order. The embedder normalises;
/// query [W] is its vector of a text. Words behind what the model reads are left out.
std::vector<WordNear> words_near(const Embedder& embedder, std::string_view text,
                                 std::span<const float> query);

/// Which of them to show: those at least one standard deviation above the mean, the nearest
/// first, at most one in five (one, if there are fewer); then in the text's order.
std::vector<Span> words_to_show(std::vector<WordNear> words);

}  // namespace heed
