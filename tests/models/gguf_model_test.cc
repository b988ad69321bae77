#include "heed/models/gguf_model.h"

#include <gtest/gtest.h>

#include "heed/io/gguf_write.h"
#include "heed/io/json.h"
#include "heed/models/converted_params.h"
#include "heed/models/gguf_metadata.h"
#include "heed/models/gguf_names.h"
#include "heed/models/model_files.h"
#include "heed/models/special_ids.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

/// A small Llama's metadata and tensors, which a test adds to.
class GgufModel : public ::testing::Test {
 protected:
  void SetUp() override { writer_ = plain("llama"); }

  static GgufWriter plain(const std::string& architecture) {
    GgufWriter writer;
    const auto integer = [&](const std::string& key, uint32_t value) {
      writer.add_u32(architecture + "." + key, value);
    };
    writer.add_text("general.architecture", architecture);
    integer("context_length", 128);
    integer("embedding_length", 64);
    integer("block_count", 1);
    integer("feed_forward_length", 96);
    integer("attention.head_count", 4);
    integer("attention.head_count_kv", 2);
    writer.add_f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-5F);
    add(writer, "token_embd.weight", {32, 64});
    return writer;
  }
  static void add(GgufWriter& writer, const std::string& name, const Shape& shape,
                  BlockKind kind = BlockKind::f32) {
    const int64_t bytes = shape.numel() / block_size(kind) * block_bytes(kind);
    writer.add_tensor({name, kind, shape, [bytes](const ByteSink& put) {
                         put(std::vector<std::byte>(static_cast<size_t>(bytes)));
                       }});
  }
  Gguf written(const GgufWriter& writer) {
    writer.write(folder_ / "model.gguf");
    return Gguf::open(folder_ / "model.gguf");
  }
  Json config() { return gguf_config(written(writer_)).json(); }

  TemporaryFolder folder_;
  GgufWriter writer_;
};

TEST_F(GgufModel, MetadataByHuggingFacesNames) {
  writer_.add_u32("tokenizer.ggml.bos_token_id", 1);
  writer_.add_u32("tokenizer.ggml.eos_token_id", 2);
  writer_.add_u32("tokenizer.ggml.eot_token_id", 3);
  const Json json = config();
  EXPECT_EQ(json["model_type"], "llama");
  EXPECT_EQ(json["architectures"], Json::array({"LlamaForCausalLM"}));
  EXPECT_EQ(json["vocab_size"], 32);
  EXPECT_EQ(json["hidden_size"], 64);
  EXPECT_EQ(json["head_dim"], 16);
  EXPECT_EQ(json["num_key_value_heads"], 2);
  EXPECT_EQ(json["rms_norm_eps"], 1e-5);
  EXPECT_EQ(json["rope_theta"], 10000);
  EXPECT_EQ(json["rope_interleaved"], true);
  EXPECT_EQ(json["tie_word_embeddings"], true);
  EXPECT_EQ(json["attention_bias"], false);
  EXPECT_FALSE(json.contains("rope_scaling"));
  EXPECT_FALSE(json.contains("sliding_window"));
  const SpecialIds ids = SpecialIds::read(folder_ / "model.gguf");
  EXPECT_EQ(ids.begin, 1);
  EXPECT_EQ(ids.end, (std::vector<int32_t>{2, 3}));
}

TEST_F(GgufModel, OutputBiasesWindowAndHeads) {
  add(writer_, "output.weight", {32, 64});
  add(writer_, "blk.0.attn_q.bias", {64});
  writer_.add_u32("llama.attention.sliding_window", 32);
  writer_.add_u32("llama.attention.key_length", 32);
  writer_.add_u32("llama.attention.value_length", 32);
  writer_.add_u32("llama.rope.dimension_count", 16);
  const Json json = config();
  EXPECT_EQ(json["tie_word_embeddings"], false);
  EXPECT_EQ(json["attention_bias"], true);
  EXPECT_EQ(json["model_type"], "mistral");
  EXPECT_EQ(json["sliding_window"], 32);
  EXPECT_EQ(json["head_dim"], 32);
  EXPECT_EQ(json["partial_rotary_factor"], 0.5);
}

TEST_F(GgufModel, ScaledPositions) {
  GgufWriter linear = plain("llama");
  linear.add_text("llama.rope.scaling.type", "linear");
  linear.add_f32("llama.rope.scaling.factor", 4);
  EXPECT_EQ(gguf_config(written(linear)).json()["rope_scaling"],
            (Json{{"rope_type", "linear"}, {"factor", 4.0}}));
  GgufWriter yarn = plain("qwen2");
  yarn.add_text("qwen2.rope.scaling.type", "yarn");
  yarn.add_f32("qwen2.rope.scaling.factor", 4);
  yarn.add_u32("qwen2.rope.scaling.original_context_length", 32);
  EXPECT_EQ(
      gguf_config(written(yarn)).json()["rope_scaling"],
      (Json{{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}}));
  GgufWriter table = plain("llama");
  add(table, "rope_freqs.weight", {8});
  const Json scaling = gguf_config(written(table)).json()["rope_scaling"];
  EXPECT_EQ(scaling["rope_type"], "longrope");
  EXPECT_EQ(scaling["short_factor"].size(), 8);
  EXPECT_EQ(scaling["attention_factor"], 1.0);
  EXPECT_EQ(scaling["original_max_position_embeddings"], 128);
  GgufWriter unknown = plain("llama");
  unknown.add_text("llama.rope.scaling.type", "spiral");
  expect_error(ErrorCode::unsupported, {"'spiral'", "linear, yarn"},
               [&] { gguf_config(written(unknown)); });
}

TEST_F(GgufModel, WhatHeedDoesNotRun) {
  expect_error(ErrorCode::unsupported, {"'mamba'", "gpt2, llama, phi3, qwen2, qwen3"},
               [&] { gguf_config(written(plain("mamba"))); });
  expect_error(ErrorCode::corrupt_data, {"general.architecture", "absent"},
               [&] { gguf_config(written(GgufWriter())); });
  GgufWriter experts = plain("llama");
  experts.add_u32("llama.expert_count", 8);
  expect_error(ErrorCode::unsupported, {"mixture of experts"},
               [&] { gguf_config(written(experts)); });
  GgufWriter part = plain("llama");
  part.add_u32("split.count", 3);
  expect_error(ErrorCode::unsupported, {"one of 3 files"}, [&] { gguf_config(written(part)); });
  GgufWriter empty;
  empty.add_text("general.architecture", "llama");
  expect_error(ErrorCode::corrupt_data, {"token_embd.weight", "none"},
               [&] { gguf_config(written(empty)); });
  add(empty, "token_embd.weight", {32, 64});
  expect_error(ErrorCode::corrupt_data, {"'llama.context_length'", "absent"},
               [&] { gguf_config(written(empty)); });
}

TEST_F(GgufModel, WeightsByHuggingFacesNames) {
  add(writer_, "blk.0.attn_q.weight", {64, 64}, BlockKind::q8_0);
  add(writer_, "blk.0.ffn_up.weight", {96, 64}, BlockKind::f16);
  add(writer_, "blk.0.attn_norm.weight", {64});
  add(writer_, "rope_freqs.weight", {8});
  const Params params = gguf_params(written(writer_));
  EXPECT_EQ(params.unused(), (std::vector<std::string>{
                                 "model.embed_tokens.weight",
                                 "model.layers.0.input_layernorm.weight",
                                 "model.layers.0.mlp.up_proj.weight",
                                 "model.layers.0.self_attn.q_proj.weight",
                             }));
  const Params::Source& source = *params.source();
  EXPECT_EQ(source.find("model.embed_tokens.weight").shape(), Shape({32, 64}));
  EXPECT_FALSE(source.blocks("model.embed_tokens.weight"));
  EXPECT_FALSE(source.find("model.layers.0.self_attn.q_proj.weight"));
  EXPECT_EQ(source.blocks("model.layers.0.self_attn.q_proj.weight")->kind, BlockKind::q8_0);
  EXPECT_EQ(source.blocks("model.layers.0.mlp.up_proj.weight")->kind, BlockKind::f16);
  EXPECT_EQ(source.find("model.layers.0.mlp.up_proj.weight").dtype(), DType::f16);
}

TEST_F(GgufModel, Gpt2sMatricesAreTurned) {
  GgufWriter gpt2;
  gpt2.add_text("general.architecture", "gpt2");
  add(gpt2, "blk.0.ffn_up.weight", {96, 64});
  const Params params = gguf_params(written(gpt2));
  EXPECT_EQ(params.source()->find("transformer.h.0.mlp.c_fc.weight").shape(), Shape({64, 96}));
}

TEST_F(GgufModel, ConvertedWhileTheyAreLoaded) {
  add(writer_, "blk.0.attn_q.weight", {64, 64}, BlockKind::q8_0);
  add(writer_, "blk.0.ffn_down.weight", {64, 48});
  add(writer_, "blk.0.attn_norm.weight", {64});
  const Gguf file = written(writer_);
  const ConfigReader config = gguf_config(file);
  const std::string query = "model.layers.0.self_attn.q_proj.weight";
  const auto source = [&](BlockKind kind) {
    return converted_params(gguf_params(file), kind, config).source();
  };
  const auto plain = source(BlockKind::f32);
  EXPECT_EQ(plain->find(query).dtype(), DType::f32);
  EXPECT_FALSE(plain->blocks(query));
  EXPECT_EQ(source(BlockKind::bf16)->blocks(query)->kind, BlockKind::bf16);
  const auto small = source(BlockKind::q4_0);
  EXPECT_EQ(small->blocks(query)->kind, BlockKind::q4_0);
  // it makes the logits
  EXPECT_EQ(small->blocks("model.embed_tokens.weight")->kind, BlockKind::q8_0);
  // rows of 48 numbers are no whole blocks
  EXPECT_FALSE(small->blocks("model.layers.0.mlp.down_proj.weight"));
  EXPECT_EQ(small->find("model.layers.0.mlp.down_proj.weight").dtype(), DType::f32);
  EXPECT_EQ(small->find("model.layers.0.input_layernorm.weight").dtype(), DType::f32);
  small->release(query);
  EXPECT_EQ(small->blocks(query)->kind, BlockKind::q4_0);
  expect_error(ErrorCode::unsupported, {"q6_k"}, [&] { source(BlockKind::q6_k); });
}

TEST_F(GgufModel, AConfigWrittenComesBack) {
  const Json config = {{"model_type", "llama"},
                       {"vocab_size", 32},
                       {"hidden_size", 64},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 4},
                       {"num_key_value_heads", 2},
                       {"head_dim", 16},
                       {"intermediate_size", 96},
                       {"max_position_embeddings", 128},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 5000.0},
                       {"rope_scaling",
                        {{"rope_type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 4.0},
                         {"original_max_position_embeddings", 32}}}};
  GgufWriter writer;
  add_gguf_metadata({config, "test"}, *gguf_architecture_of("llama"), writer);
  add(writer, "token_embd.weight", {32, 64});
  const Json back = gguf_config(written(writer)).json();
  for (const char* field :
       {"model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings",
        "rms_norm_eps", "rope_theta"}) {
    EXPECT_EQ(back[field], config[field]) << field;
  }
  const Json& divisors = back["rope_scaling"]["short_factor"];
  ASSERT_EQ(divisors.size(), 8);
  EXPECT_EQ(divisors[0], 1.0);  // 32 positions are five of its turns
  EXPECT_EQ(divisors[7], 8.0);  // and a hundredth of the slowest one's
}

TEST_F(GgufModel, FieldsLeftOutAreWrittenAsTheModelsReadThem) {
  const Json sizes = {{"vocab_size", 32},        {"hidden_size", 64},
                      {"num_hidden_layers", 2},  {"num_attention_heads", 32},
                      {"intermediate_size", 96}, {"max_position_embeddings", 8192}};
  const auto back = [&](const char* type, const Json& more) {
    Json config = sizes;
    config["model_type"] = type;
    config.update(more);
    GgufWriter writer;
    add_gguf_metadata({config, "test"}, *gguf_architecture_of(type), writer);
    add(writer, "token_embd.weight", {32, 64});
    return gguf_config(written(writer)).json();
  };
  const Json mistral = back("mistral", Json::object());
  EXPECT_EQ(mistral["model_type"], "mistral");
  EXPECT_EQ(mistral["num_key_value_heads"], 8);
  EXPECT_EQ(mistral["sliding_window"], 4096);
  EXPECT_FALSE(back("mistral", {{"sliding_window", nullptr}}).contains("sliding_window"));
  EXPECT_EQ(back("qwen3", Json::object())["head_dim"], 128);
  EXPECT_EQ(back("phi3", Json::object())["rms_norm_eps"], 1e-5);
  const Json windows = {{"use_sliding_window", true}, {"sliding_window", 16}};
  Json all = windows, some = windows;
  all["max_window_layers"] = 0;
  some["max_window_layers"] = 1;
  EXPECT_EQ(back("qwen2", all)["max_window_layers"], 0);
  expect_error(ErrorCode::unsupported, {"a window for all layers", "1 of 2"},
               [&] { back("qwen2", some); });
}

TEST(GgufNames, BothWays) {
  for (const char* model : {"llama", "gpt2", "qwen3", "phi3"}) {
    const GgufArchitecture& architecture = *gguf_architecture_of(model);
    for (const char* name : {"token_embd.weight", "output.weight", "blk.12.attn_output.weight",
                             "blk.0.ffn_up.bias", "blk.3.attn_norm.weight"}) {
      const auto known = hugging_face_name(architecture, name);
      ASSERT_TRUE(known) << name;
      EXPECT_EQ(gguf_name(architecture, *known), name);
    }
    for (const char* name : {"rope_freqs.weight", "blk.x.attn_q.weight", "blk..attn_q.weight",
                             "blk.1", "", "blk.1.unknown.weight"}) {
      EXPECT_FALSE(hugging_face_name(architecture, name)) << name;
    }
  }
  EXPECT_EQ(gguf_name(*gguf_architecture_of("gpt2"), "h.1.ln_1.bias"), "blk.1.attn_norm.bias");
  EXPECT_EQ(gguf_name(*gguf_architecture_of("mistral"), "model.norm.weight"), "output_norm.weight");
  EXPECT_EQ(gguf_architecture_of("bert"), nullptr);
  EXPECT_EQ(rotated_part("blk.1.attn_q.bias"), 'q');
  EXPECT_EQ(rotated_part("blk.1.attn_k.weight"), 'k');
  EXPECT_FALSE(rotated_part("blk.1.attn_q_norm.weight"));
}

}  // namespace
}  // namespace heed
