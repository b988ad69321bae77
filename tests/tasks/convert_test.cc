#include "heed/tasks/convert.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "heed/base/cancel.h"
#include "heed/base/file.h"
#include "heed/io/gguf.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/ops/blocks.h"
#include "heed/text/tokenizer.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::expect_same_bits;
using testing::random_tensor;
using testing::TemporaryFolder;

constexpr const char* kTokenizer = R"({
  "version": "1.0", "added_tokens": [{"id": 4, "content": "<s>", "single_word": false,
    "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                    "use_regex": true},
  "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": false,
    "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "1": 3}, "merges": [["a", "b"]]}})";

/// A folder with a Llama of one layer, two heads of 16.
class Convert : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(model());
    config_ = {{"model_type", "llama"},    {"architectures", Json::array({"LlamaForCausalLM"})},
               {"vocab_size", 32},         {"hidden_size", 32},
               {"num_hidden_layers", 1},   {"num_attention_heads", 2},
               {"num_key_value_heads", 1}, {"intermediate_size", 64},
               {"rms_norm_eps", 1e-6},     {"max_position_embeddings", 64},
               {"rope_theta", 10000.0},    {"tie_word_embeddings", false},
               {"bos_token_id", 4},        {"eos_token_id", Json::array({4, 2})}};
    const std::string layer = "model.layers.0.";
    const auto add = [&](const std::string& name, const Shape& shape) {
      tensors_.emplace_back(name, random_tensor(shape, tensors_.size() + 1));
    };
    add("model.embed_tokens.weight", {32, 32});
    add("model.norm.weight", {32});
    add("lm_head.weight", {32, 32});
    add(layer + "input_layernorm.weight", {32});
    add(layer + "self_attn.q_proj.weight", {32, 32});
    add(layer + "self_attn.k_proj.weight", {16, 32});
    add(layer + "self_attn.v_proj.weight", {16, 32});
    add(layer + "self_attn.o_proj.weight", {32, 32});
    add(layer + "post_attention_layernorm.weight", {32});
    add(layer + "mlp.gate_proj.weight", {64, 32});
    add(layer + "mlp.up_proj.weight", {64, 32});
    add(layer + "mlp.down_proj.weight", {32, 64});
    write_file(model() / "config.json", config_.dump());
    write_file(model() / "tokenizer.json", kTokenizer);
    write_file(model() / "tokenizer_config.json", R"({"chat_template": "{{ messages }}"})");
    write_safetensors(model() / "model.safetensors", tensors_);
  }

  fs::path model() const { return folder_ / "model"; }
  Tensor tensor(const std::string& name) const {
    for (const auto& [known, values] : tensors_) {
      if (known == name) return values;
    }
    return {};
  }

  TemporaryFolder folder_;
  Json config_;
  NamedTensors tensors_;
};

TEST_F(Convert, AFolderBecomesAGgufFileAndAFolderAgain) {
  convert_model(model(), folder_ / "a.gguf");
  const Gguf file = Gguf::open(folder_ / "a.gguf");
  EXPECT_EQ(file.text("general.architecture"), "llama");
  EXPECT_EQ(file.tensors().size(), tensors_.size());
  // rows 0, 1, 2, 3 of a head of 16 were rows 0, 8, 1, 9
  const Tensor query = tensor("model.layers.0.self_attn.q_proj.weight");
  const Tensor turned = file.load("blk.0.attn_q.weight");
  for (const auto& [row, from] : {std::pair(0, 0), {1, 8}, {2, 1}, {3, 9}, {17, 24}}) {
    expect_same_bits(turned.slice(0, row, row + 1), query.slice(0, from, from + 1), "row");
  }
  convert_model(folder_ / "a.gguf", folder_ / "back");
  const Checkpoint back = Checkpoint::open(folder_ / "back");
  EXPECT_EQ(back.entries().size(), tensors_.size());
  for (const auto& [name, values] : tensors_) expect_same_bits(back.load(name), values, name);
  const Json config = read_json(folder_ / "back/config.json");
  EXPECT_FALSE(config.contains("rope_interleaved"));
  for (const char* field : {"hidden_size", "num_key_value_heads", "rope_theta", "eos_token_id"}) {
    EXPECT_EQ(config[field], config_[field]) << field;
  }
}

TEST_F(Convert, TheTokenizerGoesAlong) {
  convert_model(model(), folder_ / "a.gguf");
  const Gguf file = Gguf::open(folder_ / "a.gguf");
  EXPECT_EQ(file.text("tokenizer.ggml.pre"), "gpt-2");
  EXPECT_EQ(file.text("tokenizer.chat_template"), "{{ messages }}");
  EXPECT_EQ(file.integer("tokenizer.ggml.eot_token_id"), 2);
  const auto tokens = *file.texts("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 32);
  EXPECT_EQ(tokens[2], "ab");
  EXPECT_EQ(tokens[31], "[PAD31]");
  EXPECT_EQ((*file.integers("tokenizer.ggml.token_type"))[4], 3);
  convert_model(folder_ / "a.gguf", folder_ / "back");
  for (const fs::path& path : {model(), folder_ / "a.gguf", folder_ / "back"}) {
    EXPECT_EQ(Tokenizer::load(path)->encode("ab1<s>").ids, (std::vector<int32_t>{2, 3, 4})) << path;
  }
  EXPECT_EQ(read_json(folder_ / "back/tokenizer_config.json")["chat_template"], "{{ messages }}");
}

TEST_F(Convert, ATokenizersNullsAreAsIfAbsent) {
  Json tokenizer = Json::parse(kTokenizer);
  tokenizer["model"]["type"] = Json();
  tokenizer["model"]["byte_fallback"] = Json();
  write_file(model() / "tokenizer.json", tokenizer.dump());
  convert_model(model(), folder_ / "m.gguf");
  EXPECT_EQ(Tokenizer::load(folder_ / "m.gguf")->encode("ab1").ids,
            Tokenizer::load(model())->encode("ab1").ids);
}

TEST_F(Convert, SentencePieceModelsAndModulesGoAlong) {
  write_file(model() / "spiece.model", "pieces");
  write_file(model() / "modules.json",
             R"([{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}, {"path": "../x"}])");
  fs::create_directory(model() / "1_Pooling");
  fs::create_directory(folder_ / "x");
  write_file(folder_ / "x/secret", "not the model's");
  write_file(model() / "1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  convert_model(model(), folder_ / "out/", {.dtype = BlockKind::f16});
  for (const char* name : {"spiece.model", "modules.json", "1_Pooling/config.json"}) {
    EXPECT_EQ(read_file(folder_ / "out" / name), read_file(model() / name)) << name;
  }
  EXPECT_FALSE(fs::exists(folder_ / "out/2_Normalize"));
}

TEST_F(Convert, IntegersOfAFolderStayAsTheyAre) {
  const Tensor positions = Tensor::from(std::vector<int64_t>{0, 1, 2}, {1, 3});
  tensors_.emplace_back("model.position_ids", positions);
  write_safetensors(model() / "model.safetensors", tensors_);
  convert_model(model(), folder_ / "out", {.dtype = BlockKind::bf16});
  const Checkpoint out = Checkpoint::open(folder_ / "out");
  EXPECT_EQ(out.entries().at("model.norm.weight").dtype, "BF16");
  EXPECT_EQ(out.load("model.position_ids").dtype(), DType::i64);
  EXPECT_EQ(out.load("model.position_ids").span<int64_t>()[2], 2);
}

TEST_F(Convert, AModelWithoutATokenizer) {
  fs::remove(model() / "tokenizer.json");
  convert_model(model(), folder_ / "a.gguf");
  expect_error(ErrorCode::not_found, {"a.gguf", "needed a tokenizer"},
               [&] { Tokenizer::load(folder_ / "a.gguf"); });
  write_file(model() / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  expect_error(ErrorCode::unsupported, {"tokenizer.json"},
               [&] { convert_model(model(), folder_ / "b.gguf"); });
}

TEST_F(Convert, AnAdapterTakesItsBasesTokenizer) {
  const fs::path adapter = folder_ / "adapter";
  fs::create_directory(adapter);
  write_file(adapter / "adapter_config.json",
             R"({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj"],
                 "base_model_name_or_path": "../model"})");
  const std::string name = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  write_safetensors(
      adapter / "adapter_model.safetensors",
      {{name + "A.weight", Tensor::zeros({1, 32})}, {name + "B.weight", Tensor::zeros({32, 1})}});
  convert_model(adapter, folder_ / "a.gguf");
  convert_model(adapter, folder_ / "out");
  for (const char* made : {"a.gguf", "out"}) {
    EXPECT_EQ(Tokenizer::load(folder_ / made)->encode("ab1").ids, (std::vector<int32_t>{2, 3}));
  }
}

TEST_F(Convert, YarnKeepsItsBoundsAndItsAmplitude) {
  config_["rope_scaling"] = {
      {"rope_type", "yarn"}, {"factor", 4.0},    {"original_max_position_embeddings", 16},
      {"beta_fast", 8.0},    {"beta_slow", 2.0}, {"attention_factor", 2.5}};
  write_file(model() / "config.json", config_.dump());
  convert_model(model(), folder_ / "a.gguf");
  convert_model(folder_ / "a.gguf", folder_ / "back");
  const Json back = read_json(folder_ / "back/config.json")["rope_scaling"];
  EXPECT_EQ(back["beta_fast"], 8.0);
  EXPECT_EQ(back["beta_slow"], 2.0);
  EXPECT_NEAR(back["attention_factor"].get<double>(), 2.5, 1e-6);
  config_["rope_scaling"]["truncate"] = false;
  write_file(model() / "config.json", config_.dump());
  expect_error(ErrorCode::corrupt_data, {"truncate", "true for a GGUF file"},
               [&] { convert_model(model(), folder_ / "b.gguf"); });
}

TEST_F(Convert, DTypes) {
  convert_model(model(), folder_ / "a.gguf", {.dtype = BlockKind::q4_0});
  const Gguf file = Gguf::open(folder_ / "a.gguf");
  EXPECT_EQ(file.tensors().at("blk.0.ffn_up.weight").type, "Q4_0");
  EXPECT_EQ(file.tensors().at("output.weight").type, "Q8_0");
  EXPECT_EQ(file.tensors().at("token_embd.weight").type, "Q4_0");
  EXPECT_EQ(file.tensors().at("output_norm.weight").type, "F32");
  EXPECT_EQ(file.integer("general.file_type"), 2);
  convert_model(folder_ / "a.gguf", folder_ / "b.gguf", {.dtype = BlockKind::f16});
  const Gguf half = Gguf::open(folder_ / "b.gguf");
  EXPECT_EQ(half.tensors().at("blk.0.ffn_up.weight").type, "F16");
  expect_same_bits(half.load("blk.0.ffn_up.weight").to(DType::f32),
                   dequantize(file.matrix("blk.0.ffn_up.weight")).to(DType::f16).to(DType::f32),
                   "rounded once more");
  convert_model(model(), folder_ / "bf16", {.dtype = BlockKind::bf16});
  const Checkpoint folder = Checkpoint::open(folder_ / "bf16");
  for (const auto& [name, entry] : folder.entries()) EXPECT_EQ(entry.dtype, "BF16") << name;
  EXPECT_EQ(read_json(folder_ / "bf16/config.json")["torch_dtype"], "bfloat16");
  expect_error(ErrorCode::unsupported, {"hold no q8_0", "--dtype f32"},
               [&] { convert_model(folder_ / "a.gguf", folder_ / "no"); });
  EXPECT_FALSE(fs::exists(folder_ / "no"));
}

TEST_F(Convert, AGgufFileAsItIs) {
  convert_model(model(), folder_ / "a.gguf", {.dtype = BlockKind::q8_0});
  convert_model(folder_ / "a.gguf", folder_ / "b.gguf");
  const Gguf a = Gguf::open(folder_ / "a.gguf");
  const Gguf b = Gguf::open(folder_ / "b.gguf");
  ASSERT_EQ(a.metadata().size(), b.metadata().size());
  for (const auto& [name, tensor] : a.tensors()) {
    const auto& other = b.tensors().at(name);
    EXPECT_EQ(tensor.type, other.type);
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, other.bytes)) << name;
  }
}

TEST_F(Convert, WhatCannotBeConverted) {
  fs::create_directory(folder_ / "there");
  expect_error(ErrorCode::invalid_argument, {"there already"},
               [&] { convert_model(model(), folder_ / "there"); });
  expect_error(ErrorCode::not_found, {"needed the folder"},
               [&] { convert_model(model(), folder_ / "none/a.gguf"); });
  config_["model_type"] = "bert";
  write_file(model() / "config.json", config_.dump());
  expect_error(ErrorCode::unsupported, {"\"bert\"", "llama"},
               [&] { convert_model(model(), folder_ / "a.gguf"); });
  config_["model_type"] = "llama";
  write_file(model() / "config.json", config_.dump());
  tensors_.emplace_back("model.extra", Tensor::zeros({2}));
  write_safetensors(model() / "model.safetensors", tensors_);
  expect_error(ErrorCode::unsupported, {"model.extra", "no name"},
               [&] { convert_model(model(), folder_ / "a.gguf"); });
  EXPECT_FALSE(fs::exists(folder_ / "a.gguf"));
}

/// Files may have so many bytes, as on a disk that is full after them.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() { setrlimit(RLIMIT_FSIZE, &old_); }

 private:
  rlimit old_{};
};

TEST_F(Convert, AFullDiskAndAStopLeaveNothingBehind) {
  const auto count = [&] {
    return std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator());
  };
  {
    const FileLimit limit(20'000);
    expect_error(ErrorCode::io_failure, {"a.gguf"},
                 [&] { convert_model(model(), folder_ / "a.gguf"); });
    expect_error(ErrorCode::io_failure, {"model.safetensors"},
                 [&] { convert_model(model(), folder_ / "out"); });
  }
  request_cancel();
  expect_error(ErrorCode::cancelled, {}, [&] { convert_model(model(), folder_ / "a.gguf"); });
  expect_error(ErrorCode::cancelled, {}, [&] { convert_model(model(), folder_ / "out"); });
  clear_cancel();
  EXPECT_EQ(count(), 1);
}

}  // namespace
}  // namespace heed
