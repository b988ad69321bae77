#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "heed/models/registry.h"
#include "tests/golden_rows.h"

// Golden encoder-decoders with a batch of sources and targets.

namespace heed::testing {

struct PairCase {
  /// What torch's models were given is "source" and "target", transformers' "input_ids" and
  /// "decoder_ids".
  explicit PairCase(const std::string& name, const LoadOptions& options = {})
      : model(load_encoder_decoder(golden_folder() / name, options)),
        expected(name + "/expected.safetensors"),
        source{
            .ids = one_of("source", "input_ids"), .lengths = lengths_of(expected), .type_ids = {}},
        target(one_of("target", "decoder_ids")) {}

  int64_t length(int64_t b) const { return source.lengths[static_cast<size_t>(b)]; }
  /// One source row without its padding.
  EncoderInput row(int64_t b) const {
    return {.ids = source.ids.slice(0, b, b + 1).slice(1, 0, length(b)).contiguous(),
            .lengths = {},
            .type_ids = {}};
  }

  std::shared_ptr<const EncoderDecoder> model;
  Golden expected;
  EncoderInput source;
  Tensor target;

 private:
  Tensor one_of(const char* torch, const char* transformers) const {
    const Tensor found = expected.maybe(torch);
    return found ? found : expected[transformers];
  }
};

/// A model's matrices as bf16, the table that is its output too among them: 8 bits a number.
inline void expect_bf16_runs(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const PairCase one(name, {.dtype = BlockKind::bf16});
    const Tensor states = one.model->decode(one.target, one.model->encode(one.source));
    expect_close(one.model->logits(states), one.expected["logits"], 0.1, name);
  }
}

/// Rows of a batch, and their targets' first so many tokens, give what they give alone, as
/// expect(found, wanted, what) has it.
template <class Expect>
void expect_rows_alone(const std::vector<std::string>& names, const std::vector<int64_t>& firsts,
                       const Expect& expect) {
  for (const std::string& name : names) {
    const PairCase one(name);
    const Tensor together = one.model->decode(one.target, one.model->encode(one.source));
    for (int64_t b = 0; b < one.target.size(0); ++b) {
      const Memory memory = one.model->encode(one.row(b));
      for (const int64_t tokens : firsts) {
        const Tensor ids = one.target.slice(0, b, b + 1).slice(1, 0, tokens).contiguous();
        expect(one.model->decode(ids, memory), together.slice(0, b, b + 1).slice(1, 0, tokens),
               fmt::format("{} row {} of {} tokens", name, b, tokens));
      }
    }
  }
}

}  // namespace heed::testing
