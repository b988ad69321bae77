#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/json_out.h"
#include "cli/look_summary.h"
#include "cli/picture_options.h"
#include "heed/generate/generator.h"
#include "heed/lens/look_pair.h"
#include "heed/lens/look_picture.h"

namespace CLI {
class App;
}

namespace heed::cli {

struct Context;

/// What --align and the options that need it were set to.
struct AlignArguments {
  bool align = false;
  std::string layer;  // empty: the one before the last
  std::string head;   // empty: the mean
  PictureOptions picture;
};
void add_align_options(CLI::App& command, AlignArguments& arguments);

/// The layers and heads that are picked where a picked one is aligned by; several: their mean.
AlignmentChoice alignment_choice(const LookView& view);
/// Of cross-attention: --layer or the one before the last, --head or the mean. Error
/// invalid_argument for one that the model does not have.
LookView cross_view(const EncoderFacts& facts, const std::string& layer, const std::string& head);

/// How far a part stands behind the beginning of its text.
struct PartStart {
  int64_t characters = 0;
  int64_t bytes = 0;
};
/// [{"word", "start", "end", "byte_start", "byte_end", "source_word", "source_start", ...,
/// "weight"}], added to `links`.
void add_links(OutJson& links, const Look& cross, const AlignmentChoice& choice,
               const PartStart& source = {}, const PartStart& target = {});

/// What --align tells of one text.
struct AlignedText {
  OutJson links = OutJson::array();
  std::string lines;
};

/// Looks at texts that were made of others, if asked for.
class Aligner {
 public:
  /// Errors as cross_view() and check_picture_path().
  Aligner(const Context& context, const AlignArguments& arguments, const Translator& translator);

  bool asked() const { return arguments_.align; }
  /// Of what was made of a part: where the part begins in its text, and what was made in the
  /// output. The model reads both once more.
  void add(AlignedText& text, const std::string& prefix, std::string_view part,
           const Generated& made, const PartStart& source, const PartStart& target);
  /// Writes --save, if given.
  void save() const;

 private:
  const Context& context_;
  const AlignArguments& arguments_;
  const Translator& translator_;
  LookView view_;
  std::vector<Look> looks_;  // for the picture
};

/// A source and what was made of it, as look_pair() takes them. prefix: what the source begins with
/// and that is not asked about.
PairText pair_text(const Translator& translator, const std::string& prefix, std::string_view source,
                   std::span<const int32_t> target, bool pieces = false);

}  // namespace heed::cli
