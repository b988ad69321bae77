#include "heed/tensor/dims.h"

#include <cctype>
#include <cstdlib>

#include "heed/base/error.h"

namespace heed {
namespace {

std::vector<std::string> split(std::string_view letters) {
  std::vector<std::string> words;
  for (size_t at = 0; at < letters.size();) {
    const size_t end = std::min(letters.find(' ', at), letters.size());
    if (end > at) words.emplace_back(letters.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

bool is_number(const std::string& word) {
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
  for (const std::string& word : split(letters)) {
    if (text.size() > 1) text += ", ";
    text += word;
    if (const Bound* bound = find(word[0])) text += "=" + std::to_string(bound->size);
  }
  return text + "]";
}

Dims& Dims::bind(std::string_view name, const Tensor& tensor, std::string_view letters) {
  const std::string head = operation_ + ": " + std::string(name);
  if (!tensor.defined()) {
    throw Error(ErrorCode::invalid_argument,
                head + " must be " + describe(letters) + " but is absent");
  }
  std::vector<std::string> words = split(letters);
  const bool open = !words.empty() && words.front() == "...";
  if (open) words.erase(words.begin());
  const int skipped = tensor.rank() - static_cast<int>(words.size());
  const std::string wrong =
      head + " must be " + describe(letters) + " but is " + to_string(tensor.shape());
  if (skipped < 0 || (!open && skipped != 0)) throw Error(ErrorCode::invalid_argument, wrong);
  for (size_t i = 0; i < words.size(); ++i) {
    const int64_t size = tensor.size(skipped + static_cast<int>(i));
    if (is_number(words[i])) {
      if (std::to_string(size) != words[i]) throw Error(ErrorCode::invalid_argument, wrong);
      continue;
    }
    const char letter = words[i][0];
    const Bound* bound = find(letter);
    if (bound == nullptr) {
      bound_.push_back({letter, size, std::string(name)});
    } else if (bound->size != size) {
      throw Error(
          ErrorCode::invalid_argument,
          wrong + "; " + letter + " is " + std::to_string(bound->size) + " in " + bound->from);
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
