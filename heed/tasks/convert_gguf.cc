#include "heed/tasks/convert_gguf.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/paths.h"
#include "heed/io/adapter.h"
#include "heed/io/gguf.h"
#include "heed/io/gguf_write.h"
#include "heed/models/converted_params.h"
#include "heed/models/gguf_metadata.h"
#include "heed/models/gguf_model.h"
#include "heed/models/gguf_names.h"
#include "heed/models/model_files.h"
#include "heed/ops/blocks.h"
#include "heed/tasks/convert_weights.h"
#include "heed/text/gguf_tokenizer_write.h"
#include "heed/text/tokenizer.h"

namespace heed::internal {
namespace {

constexpr int64_t kRowsAtOnce = 1024;  // of a matrix, in memory while it is converted

std::span<const std::byte> bytes_of(const BlockMatrix& matrix) {
  return {matrix.data, static_cast<size_t>(matrix.rows * matrix.row_bytes)};
}

/// A matrix as `kind`, some rows after the others.
void put_matrix(const StoredWeight& weight, BlockKind kind, const ByteSink& put) {
  const int64_t rows = weight.rows();
  for (int64_t begin = 0; begin < rows; begin += kRowsAtOnce) {
    check_cancelled();
    const int64_t end = std::min(rows, begin + kRowsAtOnce);
    if (weight.blocks && weight.blocks->kind == kind) {
      put(bytes_of(weight.blocks->slice(begin, end)));
      continue;
    }
    const Tensor part = weight.blocks ? dequantize(weight.blocks->slice(begin, end))
                                      : weight.numbers.slice(0, begin, end);
    put(bytes_of(quantize(part, kind)));
  }
}

void put_numbers(const StoredWeight& weight, const ByteSink& put) {
  const Tensor values = weight.values().contiguous();
  put(std::as_bytes(values.span<float>()));
}

/// The tensor as the file shall have it: a matrix of the kind, all else f32. `get` gives the weight
/// again when its turn has come, so that nothing is held until then.
void add_tensor(const std::string& name, const Shape& shape, BlockKind kind,
                std::function<StoredWeight()> get, GgufWriter& writer) {
  const bool matrix = shape.rank() == 2;
  writer.add_tensor({name, matrix ? kind : BlockKind::f32, shape,
                     [matrix, kind, get = std::move(get)](const ByteSink& put) {
                       if (matrix) {
                         put_matrix(get(), kind, put);
                       } else {
                         put_numbers(get(), put);
                       }
                     }});
}

/// `name`: Hugging Face's.
BlockKind kind_for(const std::string& name, const StoredWeight& weight,
                   std::optional<BlockKind> wanted, bool tied) {
  const auto converted =
      wanted ? converted_kind(name, weight.shape()[-1], *wanted, tied) : std::nullopt;
  return converted.value_or(weight.kind());
}

/// What of a checkpoint is no weight of its own.
bool is_left_out(std::string_view name, bool tied) {
  return is_buffer(name) || (tied && name == "lm_head.weight");
}

/// A folder's weights on their way into a GGUF file.
class FolderWeights {
 public:
  FolderWeights(const std::filesystem::path& folder, const ConfigReader& config,
                const GgufArchitecture& architecture)
      : params_(open_model_params(folder)), architecture_(architecture) {
    tied_ = config.boolean("tie_word_embeddings", architecture.name == "gpt2");
    if (architecture.interleaved && !config.boolean("rope_interleaved", false)) {
      const int64_t heads = config.integer("num_attention_heads", 1, 1 << 20);
      const int64_t width = config.integer("hidden_size", 1, 1 << 20);
      head_dim_ = config.integer("head_dim", 2, 1 << 20, width / heads);
    }
  }

  void add_all(std::optional<BlockKind> dtype, GgufWriter& writer) const {
    for (const std::string& name : params_.source()->names()) {
      if (is_left_out(name, tied_)) continue;
      const auto stored = gguf_name(architecture_, name);
      if (!stored) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("convert: {} has a tensor {}, which GGUF's {} has no name for",
                                params_.source()->describe(), name, architecture_.name));
      }
      const StoredWeight weight = get(name, *stored);
      add_tensor(
          *stored, weight.shape(), kind_for(name, weight, dtype, tied_),
          [this, name, stored = *stored] { return get(name, stored); }, writer);
    }
  }

 private:
  /// [N, K], rows of q and k in GGUF's order.
  StoredWeight get(const std::string& name, const std::string& stored) const {
    StoredWeight weight = stored_weight(*params_.source(), name);
    if (is_input_major(architecture_, stored)) weight.numbers = weight.numbers.transpose(0, 1);
    if (head_dim_ == 0 || !rotated_part(stored)) return weight;
    return weight.reordered([&](int64_t row) { return half_of_interleaved(row, head_dim_); });
  }

  Params params_;
  const GgufArchitecture& architecture_;
  bool tied_ = false;
  int64_t head_dim_ = 0;  // 0: rows stay
};

void add_tokenizer(const std::filesystem::path& folder, int64_t vocab, GgufWriter& writer) {
  const std::filesystem::path file = model_file(folder, "tokenizer.json");  // an adapter's base's
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    return add_gguf_tokenizer(file.parent_path(), vocab, writer);
  }
  try {
    Tokenizer::load(folder);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    return writer.add_text("tokenizer.ggml.model", "no_vocab");
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("convert: {} has a tokenizer, but no tokenizer.json, which is what Heed "
                          "writes into a GGUF file; save it in that form (transformers' "
                          "AutoTokenizer, save_pretrained)",
                          folder.string()));
}

}  // namespace

void convert_gguf(const std::filesystem::path& path, const std::filesystem::path& out,
                  const ConvertOptions& options) {
  const Gguf file = Gguf::open(path);
  const ConfigReader config = gguf_config(file);
  const auto& architecture = gguf_architecture(*file.text("general.architecture"), file.where());
  const bool tied = config.boolean("tie_word_embeddings");
  GgufWriter writer;
  for (const auto& [key, value] : file.metadata()) {
    const bool ours = key == "general.file_type" || key == "general.quantization_version";
    if (key != "general.alignment" && !(ours && options.dtype)) writer.add_value(key, value);
  }
  if (options.dtype) add_gguf_file_type(*options.dtype, writer);
  for (const auto& [name, tensor] : file.tensors()) {
    const auto get = [&file, name = name, matrix = tensor.shape.rank() == 2] {
      return matrix ? StoredWeight{Tensor(), file.matrix(name)}
                    : StoredWeight{file.load(name), std::nullopt};
    };
    const std::string known = hugging_face_name(architecture, name).value_or(name);
    add_tensor(name, tensor.shape, kind_for(known, get(), options.dtype, tied), get, writer);
  }
  writer.write(out, options.progress);
}

void convert_folder_to_gguf(const std::filesystem::path& folder, const std::filesystem::path& out,
                            const ConvertOptions& options) {
  const ConfigReader config = read_model_config(folder);
  const GgufArchitecture* architecture = gguf_architecture_of(config.text("model_type", ""));
  if (architecture == nullptr) {
    throw Error(ErrorCode::unsupported,
                fmt::format("convert: {} has model_type \"{}\", which Heed writes no GGUF of; it "
                            "does of {}",
                            config.where(), config.text("model_type", ""),
                            fmt::join(gguf_model_types(), ", ")));
  }
  GgufWriter writer;
  add_gguf_metadata(config, *architecture, writer);
  writer.add_text("general.name", absolute_path(folder).filename().string());
  add_gguf_file_type(options.dtype.value_or(BlockKind::f32), writer);
  add_tokenizer(folder, config.integer("vocab_size", 1, INT32_MAX), writer);
  const FolderWeights weights(folder, config, *architecture);
  weights.add_all(options.dtype, writer);
  writer.write(out, options.progress);
}

}  // namespace heed::internal
