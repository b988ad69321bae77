#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "heed/base/cancel.h"
#include "heed/models/causal.h"
#include "heed/models/encoder_decoder.h"

// Models that are interrupted as they begin to read: what follows the first block is too late.

namespace heed::testing {

class Interrupted : public CausalModel {
 public:
  explicit Interrupted(std::shared_ptr<const CausalModel> model) : model_(std::move(model)) {}
  const EncoderFacts& facts() const override { return model_->facts(); }
  Tensor operator()(const EncoderInput& input, const Run& run) const override {
    request_cancel();
    return (*model_)(input, run);
  }
  const Tensor& output_weight() const override { return model_->output_weight(); }
  Tensor final_norm(const Tensor& states) const override { return model_->final_norm(states); }
  Tensor logits(const Tensor& states) const override {
    ADD_FAILURE() << "the text was read to its end";
    return model_->logits(states);
  }

 private:
  std::shared_ptr<const CausalModel> model_;
};

class InterruptedPair : public EncoderDecoder {
 public:
  explicit InterruptedPair(std::shared_ptr<const EncoderDecoder> model)
      : model_(std::move(model)) {}
  const EncoderDecoderFacts& facts() const override { return model_->facts(); }
  Memory encode(const EncoderInput& source, const Run& run) const override {
    request_cancel();
    return model_->encode(source, run);
  }
  Tensor decode(const Tensor& ids, const Memory& memory, const Run& run) const override {
    ADD_FAILURE() << "the source was read to its end";
    return model_->decode(ids, memory, run);
  }
  const Tensor& output_weight() const override { return model_->output_weight(); }
  Tensor logits(const Tensor& states) const override { return model_->logits(states); }

 private:
  std::shared_ptr<const EncoderDecoder> model_;
};

}  // namespace heed::testing
