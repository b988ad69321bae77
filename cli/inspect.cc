// heed inspect: what a checkpoint holds, and what Heed can do with it.

#include "heed/tasks/inspect.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/gguf_metadata.h"
#include "cli/json_out.h"
#include "heed/base/message.h"
#include "heed/io/hub.h"
#include "heed/models/registry.h"

namespace heed::cli {
namespace {

struct InspectOptions {
  std::string input;
  bool tensors = false;
  bool known = false;
};

/// "1 tensor", "103 tensors".
std::string tensors_of(int64_t count) {
  return grouped(count) + (count == 1 ? " tensor" : " tensors");
}

std::string architecture_of(const ModelSummary& summary) {
  std::string text = summary.model_type.empty() ? "unknown" : printable(summary.model_type);
  std::vector<std::string> names;
  for (const std::string& name : summary.architectures) names.push_back(printable(name));
  return names.empty() ? text : text + " (" + listed(names) + ")";
}

std::string sizes_of(const EncoderFacts& facts) {
  return fmt::format("{}, {}, width {}, {} positions, vocabulary {}",
                     counted(facts.layers, "layer"), counted(facts.heads, "head"), facts.width,
                     facts.max_tokens, grouped(facts.vocab));
}

std::string sizes_of(const EncoderDecoderFacts& facts) {
  const bool alike = facts.encoder_heads == facts.decoder_heads;
  return fmt::format(
      "{} and {}, {}{}, width {}, {}, vocabulary {}{}", facts.encoder_layers,
      counted(facts.decoder_layers, "layer"),
      alike ? "" : fmt::format("{} and ", facts.encoder_heads),
      counted(facts.decoder_heads, "head"), facts.width,
      facts.any_length ? "texts of any length" : fmt::format("{} positions", facts.max_tokens),
      grouped(facts.source_vocab),
      facts.target_vocab == facts.source_vocab ? "" : " and " + grouped(facts.target_vocab));
}

OutJson sizes_json(const ModelSummary& summary) {
  if (const auto& facts = summary.facts) {
    return {{"layers", facts->layers},         {"heads", facts->heads}, {"width", facts->width},
            {"max_tokens", facts->max_tokens}, {"vocab", facts->vocab}, {"types", facts->types}};
  }
  if (const auto& facts = summary.pair_facts) {
    return {{"encoder_layers", facts->encoder_layers},
            {"decoder_layers", facts->decoder_layers},
            {"encoder_heads", facts->encoder_heads},
            {"decoder_heads", facts->decoder_heads},
            {"width", facts->width},
            {"max_tokens", facts->any_length ? OutJson() : OutJson(facts->max_tokens)},
            {"source_vocab", facts->source_vocab},
            {"target_vocab", facts->target_vocab}};
  }
  return nullptr;
}

void print_tensors(const ModelSummary& summary) {
  size_t width = 4;
  for (const auto& tensor : summary.tensors) width = std::max(width, printable(tensor.name).size());
  std::string out =
      fmt::format("\n{:<{}}  {:<8}  {:<20}  {:>14}\n", "name", width, "dtype", "shape", "bytes");
  for (const auto& tensor : summary.tensors) {
    out += fmt::format("{:<{}}  {:<8}  {:<20}  {:>14}\n", printable(tensor.name), width,
                       tensor.dtype, to_string(tensor.shape), grouped(tensor.bytes));
  }
  print(out);
}

void print_summary(const std::filesystem::path& path, const ModelSummary& summary) {
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += fmt::format("{:<12} {}\n", name, value);
  };
  line("checkpoint", printable(path.string()));
  line("architecture", architecture_of(summary));
  if (summary.facts) line("sizes", sizes_of(*summary.facts));
  if (summary.pair_facts) line("sizes", sizes_of(*summary.pair_facts));
  line("parameters", fmt::format("{} in {}, {}", grouped(summary.parameters),
                                 tensors_of(static_cast<int64_t>(summary.tensors.size())),
                                 human_bytes(summary.bytes)));
  for (const ModelSummary::DType& dtype : summary.dtypes) {
    line(&dtype == summary.dtypes.data() ? "dtypes" : "",
         fmt::format("{:<8} {:>14} in {}, {}", dtype.name, grouped(dtype.parameters),
                     tensors_of(dtype.tensors), human_bytes(dtype.bytes)));
  }
  if (summary.tokenizer) {
    line("tokenizer",
         fmt::format("{}, {} pieces", summary.tokenizer->kind, grouped(summary.tokenizer->vocab)));
  }
  for (const ModelSummary::File& file : summary.files) {
    line(&file == summary.files.data() ? "files" : "",
         fmt::format("{:<36} {}", printable(file.name), human_bytes(file.bytes)));
  }
  line("heed runs", summary.commands.empty() ? "nothing of it" : listed(summary.commands));
  for (const std::string& obstacle : summary.obstacles) line("but", printable(obstacle));
  print(out);
}

OutJson tensors_json(const ModelSummary& summary) {
  OutJson tensors = OutJson::array();
  for (const auto& tensor : summary.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"dtype", tensor.dtype},
                       {"shape", std::vector<int64_t>(tensor.shape.begin(), tensor.shape.end())},
                       {"bytes", tensor.bytes},
                       {"file", tensor.file}});
  }
  return tensors;
}

OutJson summary_json(const std::filesystem::path& path, const ModelSummary& summary) {
  OutJson out = {
      {"checkpoint", path.string()},
      {"model_type", summary.model_type},
      {"architectures", summary.architectures},
      {"parameters", summary.parameters},
      {"bytes", summary.bytes},
      {"tensor_count", summary.tensors.size()},
      {"dtypes", OutJson::object()},
      {"sizes", sizes_json(summary)},
      {"tokenizer", nullptr},
      {"metadata", summary.gguf ? gguf_metadata_json(*summary.gguf) : OutJson(summary.metadata)},
      {"files", OutJson::array()},
      {"commands", summary.commands},
      {"obstacles", summary.obstacles}};
  for (const ModelSummary::DType& dtype : summary.dtypes) {
    out["dtypes"][dtype.name] = {
        {"tensors", dtype.tensors}, {"parameters", dtype.parameters}, {"bytes", dtype.bytes}};
  }
  if (summary.tokenizer) {
    out["tokenizer"] = {{"kind", summary.tokenizer->kind}, {"vocab", summary.tokenizer->vocab}};
  }
  for (const ModelSummary::File& file : summary.files) {
    out["files"].push_back({{"name", file.name}, {"bytes", file.bytes}});
  }
  return out;
}

OutJson known_json() {
  OutJson models = OutJson::array();
  for (const KnownModel& model : known_models()) {
    models.push_back({{"model_type", model.model_type},
                      {"kind", std::string(name_of(model.kind))},
                      {"equal_to", model.equal_to},
                      {"checkpoints", model.checkpoints}});
  }
  return {{"models", std::move(models)}};
}

void print_known() {
  constexpr auto kLine = "{:<15}  {:<21}  {:<31}  {}\n";
  std::string out = fmt::format(kLine, "model_type", "kind", "equal to", "checkpoints");
  for (const KnownModel& model : known_models()) {
    out += fmt::format(kLine, model.model_type, name_of(model.kind), model.equal_to,
                       model.checkpoints);
  }
  print(out);
}

void run(const Context& context, const InspectOptions& options) {
  if (options.known) {
    context.json ? print_json(known_json()) : print_known();
    return;
  }
  const std::filesystem::path path =
      find_model(options.input.empty() ? context.model : options.input);
  const ModelSummary summary = inspect_model(path);
  if (context.json) {
    OutJson out = summary_json(path, summary);
    if (options.tensors) out["tensors"] = tensors_json(summary);
    print_json(out);
    return;
  }
  print_summary(path, summary);
  if (summary.gguf) print("\n" + gguf_metadata_text(*summary.gguf));
  if (options.tensors) print_tensors(summary);
}

}  // namespace

void add_inspect(CLI::App& root, Context& context) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App& command = add_command(
      root, context,
      {.name = "inspect",
       .summary = "Show what a checkpoint holds and what Heed can do with it.",
       .details = "Reads a folder with model.safetensors (or its shards and their index), a "
                  ".gguf or a .safetensors file. To tell what runs, it loads what the commands "
                  "would load. Of a GGUF file it prints the metadata too.",
       .example = "heed inspect all-MiniLM-L6-v2 --tensors"},
      [&context, options] { run(context, *options); });
  CLI::Option* model = command.add_option("MODEL", options->input,
                                          "A folder, a file, or a name in the hub's cache.");
  add_model_option(command, context);
  command.add_flag("--tensors", options->tensors, "List every tensor: name, dtype, shape, bytes.");
  command.add_flag("--known", options->known, "List the architectures that Heed has instead.")
      ->excludes(model);
}

}  // namespace heed::cli
