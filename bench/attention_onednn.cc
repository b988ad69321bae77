// oneDNN's side of bench/attention.py: matmul, softmax and matmul primitives, which is also what
// the graph API of oneDNN 3.2 makes of scaled dot-product attention. A peer: ./dev bench compiles
// it against the oneDNN of the peers' environment, not against Heed.
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>

#include "bench/worker.h"

namespace heed::bench {
namespace {

using dnnl::memory;
using Dims = memory::dims;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::data_type type_of(const Job& job) {
  const auto name = job.at("dtype").get<std::string>();
  if (name == "f32") return memory::data_type::f32;
  return name == "bf16" ? memory::data_type::bf16 : memory::data_type::f16;
}

Dims row_major(const Dims& sizes) {
  Dims strides(sizes.size(), 1);
  for (size_t i = sizes.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

memory copied(memory from, const memory::desc& to) {  // a memory is a handle
  memory result(to, cpu());
  dnnl::stream stream(cpu());
  dnnl::reorder(from, result).execute(stream, from, result);
  stream.wait();
  return result;
}

/// Sizes of a job. Query heads of one key/value head become rows, which one query allows.
struct Sizes {
  int64_t batch, heads, rows, keys, size;

  explicit Sizes(const Job& job)
      : batch(job.at("b")),
        heads(job.at("g")),
        rows(job.at("t")),
        keys(job.at("s")),
        size(job.at("d")) {
    const int64_t group = job.at("h").get<int64_t>() / heads;
    if (group > 1 && rows > 1) throw Unsupported("grouped heads of several queries");
    rows *= group;
  }
};

/// The file's [B, tokens, heads, D] elements as [B, heads, tokens, D].
memory load(const Job& job, const char* name, int64_t tokens, const Sizes& sizes) {
  const Dims shape{sizes.batch, sizes.heads, tokens, sizes.size};
  const bool grouped = job.at("h") != job.at("g") && name[0] == 'q';  // already lies so
  const Dims file_strides{sizes.heads * tokens * sizes.size, sizes.size, sizes.heads * sizes.size,
                          1};
  const memory::desc in_file(shape, type_of(job), grouped ? row_major(shape) : file_strides);
  memory raw(in_file, cpu());
  std::ifstream file(job.at("data").get<std::string>() + "/" + name, std::ios::binary);
  file.read(static_cast<char*>(raw.get_data_handle()),
            static_cast<std::streamsize>(in_file.get_size()));
  return copied(raw, memory::desc(shape, type_of(job), row_major(shape)));
}

/// What is added to the scores: 0, or where a query does not see a key a number that hides it.
memory mask_of(const Job& job, const Sizes& sizes) {
  const auto name = job.at("mask").get<std::string>();
  const int64_t reach = name == "causal" ? sizes.keys : std::stoll(name.substr(6));
  const Dims shape{1, 1, sizes.rows, sizes.keys};
  memory mask(memory::desc(shape, memory::data_type::f32, row_major(shape)), cpu());
  auto* at = static_cast<float*>(mask.get_data_handle());
  for (int64_t t = 0; t < sizes.rows; ++t) {
    for (int64_t s = 0; s < sizes.keys; ++s) *at++ = s <= t && s > t - reach ? 0.0F : -1e30F;
  }
  return mask;
}

/// Softmax in a step of its own between two products, with the scores of a batch row in memory (of
/// a head where those would take more than 2 GB).
class OnednnProblem : public Problem {
 public:
  explicit OnednnProblem(const Job& job)
      : job_(job),
        sizes_(job),
        q_(load(job, "q", sizes_.rows, sizes_)),
        k_(load(job, "k", sizes_.keys, sizes_)),
        v_(load(job, "v", sizes_.keys, sizes_)),
        y_(q_.get_desc(), cpu()),
        stream_(cpu()) {
    if (job.at("pass") == "both") throw Unsupported("no backward");
    if (job.at("mask") != "full") mask_ = mask_of(job, sizes_);
    const int64_t scores = sizes_.rows * sizes_.keys;
    heads_ = sizes_.heads * scores > (int64_t{2} << 30) / 4 ? 1 : sizes_.heads;
    const Dims score_shape{1, heads_, sizes_.rows, sizes_.keys};
    const auto part = [&](const memory& all) {
      Dims shape = all.get_desc().get_dims();
      shape[0] = 1;
      shape[1] = heads_;
      return memory::desc(shape, type_of(job), row_major(shape));
    };
    const memory::desc score_desc(score_shape, memory::data_type::f32, row_major(score_shape));
    const memory::desc weight_desc(score_shape, type_of(job), row_major(score_shape));
    scores_ = memory(score_desc, cpu());
    weights_ = job.at("dtype") == "f32" ? scores_ : memory(weight_desc, cpu());
    q_part_ = memory(part(q_), cpu(), q_.get_data_handle());
    k_part_ = memory(part(k_).permute_axes({0, 1, 3, 2}), cpu(), k_.get_data_handle());
    v_part_ = memory(part(v_), cpu(), v_.get_data_handle());
    y_part_ = memory(part(y_), cpu(), y_.get_data_handle());
    dnnl::post_ops post;
    post.append_eltwise(dnnl::algorithm::eltwise_linear,
                        1.0F / std::sqrt(static_cast<float>(sizes_.size)), 0.0F);
    if (mask_) post.append_binary(dnnl::algorithm::binary_add, mask_.get_desc());
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(post);
    scores_step_ =
        dnnl::matmul({cpu(), q_part_.get_desc(), k_part_.get_desc(), score_desc, attributes});
    softmax_step_ = dnnl::softmax_forward({cpu(), dnnl::prop_kind::forward_inference,
                                           dnnl::algorithm::softmax_accurate, score_desc,
                                           weights_.get_desc(), 3});
    sum_step_ = dnnl::matmul({cpu(), weights_.get_desc(), v_part_.get_desc(), y_part_.get_desc()});
  }

  void run() override {
    const int64_t parts = sizes_.batch * sizes_.heads / heads_;
    const auto move_to = [&](memory& part, const memory& all, int64_t i) {
      const auto bytes = static_cast<int64_t>(all.get_desc().get_size()) / parts;
      part.set_data_handle(static_cast<char*>(all.get_data_handle()) + i * bytes);
    };
    for (int64_t i = 0; i < parts; ++i) {
      move_to(q_part_, q_, i);
      move_to(k_part_, k_, i);
      move_to(v_part_, v_, i);
      move_to(y_part_, y_, i);
      std::unordered_map<int, memory> arguments{
          {DNNL_ARG_SRC, q_part_}, {DNNL_ARG_WEIGHTS, k_part_}, {DNNL_ARG_DST, scores_}};
      if (mask_) arguments[DNNL_ARG_ATTR_MULTIPLE_POST_OP(1) | DNNL_ARG_SRC_1] = mask_;
      scores_step_.execute(stream_, arguments);
      softmax_step_.execute(stream_, {{DNNL_ARG_SRC, scores_}, {DNNL_ARG_DST, weights_}});
      sum_step_.execute(
          stream_,
          {{DNNL_ARG_SRC, weights_}, {DNNL_ARG_WEIGHTS, v_part_}, {DNNL_ARG_DST, y_part_}});
    }
    stream_.wait();
  }

  void save(std::ofstream& file) const override {
    const bool grouped = job_.at("h") != job_.at("g");
    const Dims shape = y_.get_desc().get_dims();
    const Dims file_strides{shape[1] * shape[2] * shape[3], shape[3], shape[1] * shape[3], 1};
    const memory values = copied(
        y_, memory::desc(shape, memory::data_type::f32, grouped ? row_major(shape) : file_strides));
    file.write(static_cast<const char*>(values.get_data_handle()),
               static_cast<std::streamsize>(values.get_desc().get_size()));
  }

  int64_t new_bytes() const override { return static_cast<int64_t>(y_.get_desc().get_size()); }

 private:
  Job job_;
  Sizes sizes_;
  memory q_, k_, v_, y_, mask_;
  dnnl::stream stream_;
  int64_t heads_;  // of a part
  memory scores_, weights_, q_part_, k_part_, v_part_, y_part_;
  dnnl::matmul scores_step_, sum_step_;
  dnnl::softmax_forward softmax_step_;
};

Job about(const Job&) {
  const dnnl_version_t& version = *dnnl_version();
  return {{"version", std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
                          std::to_string(version.patch)}};
}

}  // namespace
}  // namespace heed::bench

int main() {
  using namespace heed::bench;
  return serve([](const Job& job) { return std::make_unique<OnednnProblem>(job); }, about);
}
