#include "cli/written_look.h"

#include <algorithm>

#include "cli/command.h"
#include "cli/look_json.h"
#include "cli/look_session.h"
#include "cli/picture_options.h"
#include "cli/progress.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/log.h"
#include "heed/base/paths.h"
#include "heed/lens/look_arrays.h"

namespace heed::cli {
namespace {

/// A new token is written from the row of the token before it.
AttentionRange written_rows(const WrittenText& text) {
  const auto tokens = std::ssize(text.ids);
  return {std::max<int64_t>(0, tokens - text.written - 1), tokens - 1};
}

OutJson head_json(const Look& look, int64_t layer, int64_t head, AttentionRange rows) {
  const AttentionReport& report = look.reports[static_cast<size_t>(layer)];
  const auto of_rows = [&](const Tensor& all) {
    return nested_json(
        all.select(0, 0).select(0, head).slice(0, rows.begin, rows.end).contiguous());
  };
  OutJson out{{"layer", layer}, {"head", head}, {"role", look.role(layer, head)}};
  out["entropy"] = of_rows(report.entropy);
  out["first"] = of_rows(report.first);
  out["top8_keys"] = of_rows(report.top_keys);
  out["top8_weights"] = of_rows(report.top_weights);
  return out;
}

OutJson written_json(const Look& look, AttentionRange rows, const std::string& model) {
  OutJson out{{"model", model}, {"text", look.text}, {"ids", look.encoding.ids}};
  out["tokens"] = look.encoding.tokens;
  out["words"] = words_json(look);
  out["rows"] = {rows.begin, rows.end};
  out["heads"] = OutJson::array();
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    for (int64_t head = 0; head < look.heads(); ++head) {
      out["heads"].push_back(head_json(look, layer, head, rows));
    }
  }
  return out;
}

void save_written_picture(const Look& seen, AttentionRange rows, const std::string& file,
                          const Context& context) {
  LookView view;
  const auto word = std::ranges::find_if(
      seen.words, [&](const Word& one) { return rows.begin < one.pieces.end; });
  view.first_row = word - seen.words.begin();
  view.model = short_name(context.model);
  view.title = "Where it looked as it wrote on from each word";
  if (ending_of(file) == ".html") view.layer = view.head = Pick::all();
  PictureOptions options;
  options.save = file;
  save_if_asked(options, look_picture({seen}, view), look_arrays(seen));
}

}  // namespace

void save_written_look(const WrittenText& text, const std::string& file, const Context& context) {
  check_picture_path(file);
  if (text.written < 1) {
    throw Error(ErrorCode::invalid_argument,
                "look: needed a text that was written, found none yet");
  }
  const bool json = ending_of(file) == ".json";
  LookOptions options;
  options.states = false;
  if (json) options.most_whole = 0;
  ProgressBar bar(context, "looking", "blocks");
  options.progress = bar.callback();
  const int64_t most_whole = std::min(options.most_whole, most_whole_tokens(text.model.facts()));
  const Look seen = look(text.model, read_ids(text.tokenizer, text.ids, most_whole), options);
  clear_progress();
  const AttentionRange rows = written_rows(text);
  if (json) {
    write_file(file, to_line(written_json(seen, rows, context.model)) + "\n");
    log(LogLevel::info, "wrote " + file);
  } else {
    save_written_picture(seen, rows, file, context);
  }
}

}  // namespace heed::cli
