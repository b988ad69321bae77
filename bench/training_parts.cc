#include "bench/training_parts.h"

#include <functional>

#include "bench/values.h"
#include "bench/worker.h"
#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/ops/attention.h"
#include "heed/ops/attention_backward.h"
#include "heed/ops/cross_entropy.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/embedding.h"
#include "heed/ops/linear_gradient.h"
#include "heed/ops/normalization.h"

namespace heed::bench {
namespace {

Tensor ids_below(const Shape& shape, int64_t count) {
  const Tensor ids = Tensor::empty(shape, DType::i32);
  int64_t next = 0;
  for (int32_t& id : ids.span<int32_t>()) {
    id = static_cast<int32_t>(next % count);
    next += 7919;
  }
  return ids;
}

/// A product, what it reads and where its results go. What is read is never written, so that no
/// number grows from pass to pass.
struct Product {
  internal::Layer layer;
  Tensor x, y, dy, dx;
  int64_t first = 0;  // column of y and dy
  bool more = false;  // dx is added to
};

double seconds_of(const std::function<void()>& pass) {
  const int threads = num_threads();
  constexpr double kLeast = 0.05;
  int passes = 0;
  double spent = 0;
  for (const double start = now(threads); spent < kLeast; spent = now(threads) - start) {
    pass();
    ++passes;
  }
  return spent / passes;
}

}  // namespace

/// A layer's numbers and products.
struct StepParts::Layer {
  explicit Layer(const StepShape& shape);
  void add_products(const StepShape& shape, const Tensor& dqkv);

  Tensor x, residual, dy;      // [N, C]; the first two are leaves of norms
  Tensor gain, bias;           // leaves
  Tensor sums, dsums, hidden;  // [N, F]; the last is written
  std::vector<Product> products;
  Tensor q, k, v, dheads;  // [B, H, T, D]
  AttentionOptions options;
  AttentionOutputs attended;
};

StepParts::Layer::Layer(const StepShape& shape) {
  const int64_t width = shape.width, inner = shape.feed_forward, rows = shape.batch * shape.tokens;
  x = leaf(values({rows, width}));
  residual = leaf(values({rows, width}));
  dy = values({rows, width});
  gain = leaf(values({width}));
  bias = leaf(values({width}));
  sums = values({rows, inner});
  dsums = values({rows, inner});
  hidden = Tensor::empty({rows, inner});
  const int64_t size = width / shape.heads;
  const Tensor qkv =
      values({rows, 3 * width}).reshape({shape.batch, shape.tokens, 3, shape.heads, size});
  q = qkv.select(2, 0).transpose(1, 2);
  k = qkv.select(2, 1).transpose(1, 2);
  v = qkv.select(2, 2).transpose(1, 2);
  dheads = dy.reshape({shape.batch, shape.tokens, shape.heads, size}).transpose(1, 2);
  if (shape.gpt2) options.mask = Mask::causal(Align::top_left);
  add_products(shape, values({rows, 3 * width}));
}

/// Of attention (q, k and v beside one another, and the output's) and of feed-forward.
void StepParts::Layer::add_products(const StepShape& shape, const Tensor& dqkv) {
  const int64_t width = shape.width, inner = shape.feed_forward;
  const auto matrix = [&](int64_t outputs, int64_t inputs) {
    return shape.gpt2 ? values({inputs, outputs}, 0.1F).transpose(0, 1)
                      : values({outputs, inputs}, 0.1F);
  };
  const auto add = [&](const Tensor& weight, const Tensor& from, const Tensor& y,
                       const Tensor& above, const Tensor& dx, int64_t first) {
    products.push_back({.layer = {weight, values({weight.size(0)})},
                        .x = from.detach(),
                        .y = y,
                        .dy = above,
                        .dx = dx,
                        .first = first,
                        .more = first > 0});
  };
  const Tensor packed = matrix(3 * width, width);
  const Tensor qkv = Tensor::empty(dqkv.shape());
  const Tensor y = Tensor::empty(dy.shape()), dx = Tensor::empty(dy.shape());
  for (int64_t at = 0; at < 3 * width; at += width) {
    add(packed.slice(0, at, at + width), x, qkv, dqkv, dx, at);
  }
  add(matrix(width, width), x, y, dy, dx, 0);
  add(matrix(inner, width), x, hidden, dsums, dx, 0);
  add(matrix(width, inner), sums, y, dy, hidden, 0);
}

StepParts::StepParts(const StepShape& shape) : shape_(shape) {
  for (int64_t i = 0; i < shape.layers; ++i) {
    layers_.push_back(std::make_unique<Layer>(shape));
    attention_forward(*layers_.back());  // what its backward reads
  }
  ids_ = ids_below({shape.batch, shape.tokens}, shape.vocab);
  table_ = leaf(values({shape.vocab, shape.width}));
  positions_ = leaf(values({shape.tokens, shape.width}));
  dembedded_ = values({shape.batch, shape.tokens, shape.width});
  features_ = leaf(values({shape.judged, shape.width}));
  output_ = leaf(values({shape.classes, shape.width}, 0.1F));
  if (!shape.gpt2) output_bias_ = leaf(values({shape.classes}));
  targets_ = ids_below({shape.judged}, shape.classes);
}

StepParts::~StepParts() = default;

void StepParts::forward_products(Layer& layer) {
  for (const Product& product : layer.products) {
    project(product.layer, internal::columns_of(product.x),
            internal::columns_of(product.y, product.first));
  }
}

void StepParts::products_back(Layer& layer) {
  for (const Product& product : layer.products) {
    project_back(product.layer, internal::columns_of(product.dy, product.first),
                 internal::columns_of(product.dx), product.more);
  }
}

void StepParts::weight_gradients(Layer& layer) {
  for (const Product& product : layer.products) {
    const internal::Columns above = internal::columns_of(product.dy, product.first);
    gradients_.push_back(weight_gradient(product.layer, above, internal::columns_of(product.x)));
    gradients_.push_back(bias_gradient(product.layer, above));
  }
}

void StepParts::attention_forward(Layer& layer) {
  layer.attended = {};
  layer.attended = attention_outputs(layer.q, layer.k, layer.v, layer.options, {.lse = true});
}

void StepParts::attention_back(Layer& layer) {
  attention_backward(layer.q, layer.k, layer.v, layer.options, layer.attended.y, layer.attended.lse,
                     layer.dheads, {});
}

/// Both of a layer.
void StepParts::norms(Layer& layer) {
  constexpr float kEpsilon = 1e-5F;
  for (int i = 0; i < 2; ++i) {
    const Tensor y =
        shape_.gpt2 ? layer_norm(layer.x, layer.gain, layer.bias, kEpsilon)
                    : add_layer_norm(layer.x, layer.residual, layer.gain, layer.bias, kEpsilon);
    backward(y, layer.dy);
    for (const Tensor& x : {layer.x, layer.residual, layer.gain, layer.bias}) clear_gradient(x);
  }
}

/// In forward, again in backward (hidden numbers are not kept), and its gradient.
void StepParts::activations(Layer& layer) {
  activate(layer.sums, shape_.activation);
  activate(layer.sums, shape_.activation);
  internal::sums_gradient(layer.sums, layer.dsums, shape_.activation, layer.hidden);
}

/// Words and positions. Where the output's matrix is the table, the loss has made the gradient
/// that this one adds to.
void StepParts::embeddings() {
  backward(add(embedding(table_, ids_), positions_), dembedded_);
  clear_gradient(positions_);
  if (!shape_.gpt2) clear_gradient(table_);
}

void StepParts::loss() {
  backward(cross_entropy(features_, output_, output_bias_, targets_));
  clear_gradient(features_);
  clear_gradient(output_);
  if (output_bias_) clear_gradient(output_bias_);
}

std::vector<Part> StepParts::measure() {
  const auto of_layers = [&](void (StepParts::*part)(Layer&)) {
    return seconds_of([&] {
      for (const auto& layer : layers_) (this->*part)(*layer);
      gradients_.clear();
    });
  };
  const auto rows = static_cast<double>(shape_.batch * shape_.tokens);
  const auto layers = static_cast<double>(shape_.layers), width = static_cast<double>(shape_.width);
  const double product =
      2 * rows * layers * width * (4 * width + 2 * static_cast<double>(shape_.feed_forward));
  const double pairs = 2 * rows * static_cast<double>(shape_.tokens) * width * layers *
                       (shape_.gpt2 ? 0.5 : 1);  // one product of T x T numbers with D
  const double logits =
      2 * width * static_cast<double>(shape_.judged) * static_cast<double>(shape_.classes);
  return {
      {"products, forward", of_layers(&StepParts::forward_products), product},
      {"products, dx", of_layers(&StepParts::products_back), product},
      {"products, dW and db", of_layers(&StepParts::weight_gradients), product},
      {"attention, forward", of_layers(&StepParts::attention_forward), 2 * pairs},
      {"attention, backward", of_layers(&StepParts::attention_back), 5 * pairs},
      {"norms, both ways", of_layers(&StepParts::norms), 0},
      {"activation, both ways", of_layers(&StepParts::activations), 0},
      {"embedding, both ways", seconds_of([&] { embeddings(); }), 0},
      {"loss with its projection, both ways", seconds_of([&] { loss(); }), 3 * logits},
  };
}

}  // namespace heed::bench
