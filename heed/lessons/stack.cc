#include "heed/lessons/stack.h"

#include <cmath>

#include "heed/ops/activation.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"
#include "heed/ops/normalization.h"

namespace heed::lessons_internal {
namespace {

constexpr float kEpsilon = 1e-5f;

struct Matrix {
  Tensor weight;  // [N, K]
  Tensor bias;    // [N]
  Matrix(TorchRandom& random, int64_t inputs, int64_t outputs)
      : weight(linear_weight(random, inputs, outputs)),
        bias(linear_bias(random, inputs, outputs)) {}
  Tensor operator()(const Tensor& x) const { return PackedLinear(weight, bias)(x); }
  // dL/dx from dL/dy
  Tensor back(const Tensor& dy) const { return matmul(dy, weight); }
};

// softmax(q k^T / sqrt(C)) v, then the output matrix.
class AttentionSublayer {
 public:
  AttentionSublayer(TorchRandom& random, int64_t width)
      : query_(random, width, width),
        key_(random, width, width),
        value_(random, width, width),
        output_(random, width, width) {}

  Tensor operator()(const Tensor& x) {
    q_ = query_(x);
    k_ = key_(x);
    v_ = value_(x);
    const Attended found = attend(q_, k_, v_, {});
    weights_ = found.weights;
    return output_(found.y);
  }

  // With A = softmax(S): dS = A * (dA - rowsum(A * dA)).
  Tensor back(const Tensor& dy) const {
    const float root = 1 / std::sqrt(static_cast<float>(q_.size(1)));
    const Tensor dcontext = output_.back(dy);
    const Tensor dweights = matmul(dcontext, v_.transpose(0, 1));
    const Tensor mean = row_sums(multiply(weights_, dweights));
    const Tensor dscores = scale(
        multiply(weights_, map2(dweights, mean, [](float d, float m) { return d - m; })), root);
    const Tensor dq = matmul(dscores, k_);
    const Tensor dk = matmul(dscores.transpose(0, 1), q_);
    const Tensor dv = matmul(weights_.transpose(0, 1), dcontext);
    return add(add(query_.back(dq), key_.back(dk)), value_.back(dv));
  }

 private:
  Matrix query_, key_, value_, output_;
  Tensor q_, k_, v_, weights_;
};

// relu(x W1^T + b1) W2^T + b2.
class FeedForwardSublayer {
 public:
  FeedForwardSublayer(TorchRandom& random, int64_t width, int64_t inner)
      : widen_(random, width, inner), narrow_(random, inner, width) {}

  Tensor operator()(const Tensor& x) {
    inner_ = activate(widen_(x), Activation::relu);
    return narrow_(inner_);
  }
  Tensor back(const Tensor& dy) const {
    return widen_.back(
        map2(narrow_.back(dy), inner_, [](float d, float h) { return h > 0 ? d : 0.0f; }));
  }

 private:
  Matrix widen_, narrow_;
  Tensor inner_;
};

class Norm {
 public:
  Tensor operator()(const Tensor& x) {
    const int64_t width = x.size(1);
    y_ = layer_norm(x, Tensor::full({width}, 1), Tensor::zeros({width}), kEpsilon);
    const Tensor mean = scale(row_sums(x), 1 / static_cast<float>(width));
    const Tensor squares = map2(x, mean, [](float a, float m) { return (a - m) * (a - m); });
    deviation_ = map(row_sums(squares), [width](float sum) {
      return std::sqrt(sum / static_cast<float>(width) + kEpsilon);
    });
    return y_;
  }
  // dx = (dy - mean(dy) - y mean(y dy)) / deviation
  Tensor back(const Tensor& dy) const {
    const float share = 1 / static_cast<float>(dy.size(1));
    const Tensor mean = scale(row_sums(dy), share);
    const Tensor along = multiply(y_, scale(row_sums(multiply(y_, dy)), share));
    const auto minus = [](float a, float b) { return a - b; };
    return map2(map2(map2(dy, mean, minus), along, minus), deviation_,
                [](float d, float deviation) { return d / deviation; });
  }

 private:
  Tensor y_, deviation_;
};

// One sublayer in its wiring.
template <class Sublayer>
class Wired {
 public:
  Wired(Wiring wiring, Sublayer sublayer)
      : residual_(wiring == Wiring::residual || wiring == Wiring::residual_norm),
        normed_(wiring == Wiring::norm || wiring == Wiring::residual_norm),
        sublayer_(std::move(sublayer)) {}

  Tensor operator()(const Tensor& x) {
    Tensor y = sublayer_(x);
    if (residual_) y = add(x, y);
    return normed_ ? norm_(y) : y;
  }
  Tensor back(Tensor dy) const {
    if (normed_) dy = norm_.back(dy);
    const Tensor dx = sublayer_.back(dy);
    return residual_ ? add(dy, dx) : dx;
  }

 private:
  bool residual_, normed_;
  Sublayer sublayer_;
  Norm norm_;
};

double norm_of(const Tensor& x) {
  double sum = 0;
  for (const float value : x.span<float>()) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

}  // namespace

std::vector<float> gradient_norms(Wiring wiring, const StackShape& shape, uint64_t seed) {
  TorchRandom random(seed);
  Tensor x = randn(random, {shape.tokens, shape.width});
  std::vector<Wired<AttentionSublayer>> attention_parts;
  std::vector<Wired<FeedForwardSublayer>> feed_forward_parts;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    attention_parts.emplace_back(wiring, AttentionSublayer(random, shape.width));
    feed_forward_parts.emplace_back(wiring,
                                    FeedForwardSublayer(random, shape.width, shape.feed_forward));
    x = feed_forward_parts.back()(attention_parts.back()(x));
  }
  Tensor gradient = randn(random, {shape.tokens, shape.width});
  double logarithm = 0;
  std::vector<float> norms;
  const auto record = [&] {
    const double norm = norm_of(gradient);
    logarithm += std::log10(norm);
    norms.push_back(static_cast<float>(logarithm));
    gradient = scale(gradient, static_cast<float>(1 / norm));
  };
  record();
  for (int64_t layer = shape.layers; layer-- > 0;) {
    const auto i = static_cast<size_t>(layer);
    gradient = attention_parts[i].back(feed_forward_parts[i].back(gradient));
    record();
  }
  return norms;
}

}  // namespace heed::lessons_internal
