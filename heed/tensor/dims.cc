#include "heed/tensor/dims.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdlib>

#include "heed/base/error.h"

namespace heed {
namespace {

/// Takes the next word off letters; empty at the end.
std::string_view next_word(std::string_view& letters) {
  letters.remove_prefix(std::min(letters.find_first_not_of(' '), letters.size()));
  const std::string_view word = letters.substr(0, letters.find(' '));
  letters.remove_prefix(word.size());
  return word;
}

int count_words(std::string_view letters) {
  int count = 0;
  while (!next_word(letters).empty()) ++count;
  return count;
}

bool is_number(std::string_view word) {
  return std::isdigit(static_cast<unsigned char>(word[0])) != 0;
}

}  // namespace

const Dims::Bound* Dims::find(char letter) const {
  for (const Bound& bound : bound_) {
    if (bound.letter == letter) return &bound;
  }
  return nullptr;
}

int64_t Dims::operator[](char letter) const {
  const Bound* bound = find(letter);
  HEED_ASSERT(bound != nullptr);
  return bound->size;
}

std::string Dims::describe(std::string_view letters) const {
  std::string text = "[";
  for (auto word = next_word(letters); !word.empty(); word = next_word(letters)) {
    if (text.size() > 1) text += ", ";
    text += word;
    if (const Bound* bound = find(word[0])) text += "=" + std::to_string(bound->size);
  }
  return text + "]";
}

void Dims::refuse(std::string_view name, const Tensor& tensor, std::string_view letters,
                  const std::string& reason) const {
  throw Error(ErrorCode::invalid_argument,
              operation_ + ": " + std::string(name) + " must be " + describe(letters) + " but is " +
                  (tensor.defined() ? to_string(tensor.shape()) : "absent") + reason);
}

Dims& Dims::bind(std::string_view name, const Tensor& tensor, std::string_view letters) {
  if (!tensor.defined()) refuse(name, tensor, letters, "");
  std::string_view rest = letters;
  const bool open = letters.substr(0, 3) == "...";
  if (open) next_word(rest);
  const int skipped = tensor.rank() - count_words(rest);
  if (skipped < 0 || (!open && skipped != 0)) refuse(name, tensor, letters, "");
  const auto before = static_cast<std::ptrdiff_t>(bound_.size());
  int dim = skipped;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest), ++dim) {
    const int64_t size = tensor.size(dim);
    if (is_number(word)) {
      if (std::to_string(size) != word) refuse(name, tensor, letters, "");
      continue;
    }
    const Bound* bound = find(word[0]);
    if (bound == nullptr) {
      bound_.push_back({word[0], size, std::string(name)});
    } else if (bound->size != size) {
      const std::string reason =
          std::string("; ") + word[0] + " is " + std::to_string(bound->size) + " in " + bound->from;
      bound_.erase(bound_.begin() + before, bound_.end());  // what was needed, not what was found
      refuse(name, tensor, letters, reason);
    }
  }
  return *this;
}

Dims& Dims::bind(std::string_view name, const Tensor& tensor, std::string_view letters,
                 DType dtype) {
  bind(name, tensor, letters);
  if (tensor.dtype() != dtype) {
    throw Error(ErrorCode::invalid_argument, operation_ + ": " + std::string(name) + " must be " +
                                                 std::string(to_string(dtype)) + " but is " +
                                                 std::string(to_string(tensor.dtype())));
  }
  return *this;
}

}  // namespace heed
