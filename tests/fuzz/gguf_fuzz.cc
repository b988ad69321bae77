// A GGUF file from anywhere: parsed, its metadata read as every type, every tensor read to its last
// byte, and what a model and a tokenizer make of it.

#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>

#include "heed/base/error.h"
#include "heed/io/gguf.h"
#include "heed/models/gguf_model.h"
#include "heed/text/gguf_tokenizer.h"

namespace {

template <class Step>
void attempt(Step&& step) {
  try {
    step();
  } catch (const heed::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  auto content = Storage::allocate(static_cast<int64_t>(size));
  if (size > 0) std::memcpy(content->data(), data, size);
  attempt([&] {
    const Gguf file = Gguf::parse(std::move(content), "fuzz");
    for (const auto& [key, value] : file.metadata()) {
      attempt([&, &key = key] { file.text(key); });
      attempt([&, &key = key] { file.integer(key); });
      attempt([&, &key = key] { file.number(key); });
      attempt([&, &key = key] { file.boolean(key); });
      attempt([&, &key = key] { file.texts(key); });
      attempt([&, &key = key] { file.integers(key); });
      attempt([&, &key = key] { file.numbers(key); });
    }
    for (const auto& [name, tensor] : file.tensors()) {
      volatile int sum =
          std::transform_reduce(tensor.bytes.begin(), tensor.bytes.end(), 0, std::plus<>(),
                                [](std::byte b) { return static_cast<int>(b); });
      (void)sum;
      attempt([&, &name = name] { file.load(name); });
      attempt([&, &name = name] { file.matrix(name); });
    }
    attempt([&] { gguf_config(file); });
    attempt([&] { gguf_tokenizer_json(file); });
    attempt([&] { gguf_tokenizer_config(file); });
    attempt([&] {
      const Params params = gguf_params(file);
      for (const std::string& name : params.unused()) params.contains(name);
    });
  });
  return 0;
}
