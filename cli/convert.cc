// heed convert: a model in another form.

#include "heed/tasks/convert.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/dtype_option.h"
#include "cli/json_out.h"
#include "cli/progress.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/hub.h"

namespace heed::cli {
namespace {

struct Options {
  std::string model;
  std::string save;
  std::string dtype;
};

void run(const Context& context, const Options& options) {
  if (options.save.empty()) {
    throw Error(ErrorCode::invalid_argument, "give --save OUT: a folder, or a file OUT.gguf");
  }
  const std::filesystem::path model =
      find_model(options.model.empty() ? context.model : options.model);
  int64_t written = 0;
  {
    ProgressBar bar(context, "writing", "bytes");
    const Progress draw = bar.callback();
    convert_model(model, options.save,
                  {.dtype = dtype_of(options.dtype), .progress = [&](int64_t done, int64_t total) {
                     written = done;
                     draw(done, total);
                   }});
  }
  if (context.json) {
    print_json({{"model", model.string()}, {"saved", options.save}, {"bytes", written}});
  } else {
    print(printable(options.save) + ": " + human_bytes(written) + " of weights\n");
  }
}

}  // namespace

void add_convert(CLI::App& root, Context& context) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      root, context,
      {.name = "convert",
       .summary = "Write a model as a folder of safetensors or as a GGUF file, in another dtype.",
       .details = "The tokenizer and the chat template go along. Folders are what transformers "
                  "loads, GGUF files what llama.cpp loads (Llama, Mistral, GPT-2, Qwen2, Qwen3 and "
                  "Phi-3).",
       .example = "heed convert HuggingFaceTB/SmolLM2-135M-Instruct --save smollm2.gguf "
                  "--dtype q8_0"},
      [&context, options] { run(context, *options); });
  command.add_option("MODEL", options->model,
                     "A folder, a .gguf file, or a name in the hub's cache.");
  add_model_option(command, context);
  command
      .add_option("--save", options->save,
                  "Where to write: a folder that is not there, or OUT.gguf.")
      ->type_name("OUT");
  add_dtype_option(command, options->dtype,
                   "What the matrices become. q8_0, q4_0 and q4_1 are for GGUF files.");
}

}  // namespace heed::cli
