// config.json from anywhere: the JSON itself, with and without equal keys, and what each
// architecture reads of it.

#include <string_view>

#include "heed/base/error.h"
#include "heed/io/json.h"
#include "heed/models/albert.h"
#include "heed/models/bert.h"
#include "heed/models/config.h"
#include "heed/models/distilbert.h"
#include "heed/models/electra.h"
#include "heed/models/gpt2.h"
#include "heed/models/llama.h"
#include "heed/models/mistral.h"
#include "heed/models/phi3.h"
#include "heed/models/qwen2.h"
#include "heed/models/qwen3.h"
#include "heed/models/recurrent.h"
#include "heed/models/roberta.h"
#include "heed/models/transformer.h"

namespace {

template <class Config>
void try_config(const heed::ConfigReader& config) {
  try {
    Config::read(config);
  } catch (const heed::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    parse_json(text, "fuzz", DuplicateKeys::refuse);
  } catch (const Error&) {
  }
  try {
    const ConfigReader config(parse_json(text, "fuzz"), "fuzz");
    try_config<BertConfig>(config);
    try_config<AlbertConfig>(config);
    try_config<DistilBertConfig>(config);
    try_config<ElectraConfig>(config);
    try_config<RobertaConfig>(config);
    try_config<Gpt2Config>(config);
    try_config<TransformerConfig>(config);
    try_config<RecurrentConfig>(config);
    try_config<LlamaConfig>(config);
    try_config<MistralConfig>(config);
    try_config<Phi3Config>(config);
    try_config<Qwen2Config>(config);
    try_config<Qwen3Config>(config);
  } catch (const Error&) {
  }
  return 0;
}
