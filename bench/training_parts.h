#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "heed/ops/activation.h"
#include "heed/tensor/tensor.h"

namespace heed::bench {

/// What a step of training has to do, in sizes.
struct StepShape {
  int64_t layers, heads, width, feed_forward;
  int64_t batch, tokens;  // texts, and tokens of each
  int64_t vocab;          // rows of the table of words
  int64_t classes;        // that the loss tells apart
  int64_t judged;         // rows that the loss is of
  bool gpt2;  // norms before the layers, causal, matrices as [K, N], one table at both ends
  Activation activation;
};

struct Part {
  std::string name;
  double seconds;     // in one step
  double operations;  // multiplications and additions; 0: not what it is about
};

/// The operations of a step, part by part, apart from it: of all layers in turn, each on numbers of
/// its own, so that they come from where a step finds them. What the model fuses is measured as if
/// it were not: the activation that the first product of feed-forward makes in passing. What
/// belongs to no part: residual streams, the gathering of gradients, dropout, the tape.
class StepParts {
 public:
  explicit StepParts(const StepShape& shape);
  ~StepParts();
  StepParts(const StepParts&) = delete;
  StepParts& operator=(const StepParts&) = delete;

  /// Each part once more.
  std::vector<Part> measure();

 private:
  struct Layer;
  void forward_products(Layer& layer);
  void products_back(Layer& layer);
  void weight_gradients(Layer& layer);
  void attention_forward(Layer& layer);
  void attention_back(Layer& layer);
  void norms(Layer& layer);
  void activations(Layer& layer);
  void embeddings();
  void loss();

  StepShape shape_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<Tensor> gradients_;  // of a pass, kept to its end as a step keeps them
  Tensor ids_, table_, positions_, dembedded_;
  Tensor features_, output_, output_bias_, targets_;
};

}  // namespace heed::bench
