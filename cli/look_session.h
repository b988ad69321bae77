#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/picture_options.h"
#include "cli/texts.h"
#include "heed/lens/board.h"
#include "heed/lens/logit_lens.h"
#include "heed/lens/look.h"
#include "heed/lens/look_picture.h"
#include "heed/lens/relations.h"
#include "heed/models/encoder.h"

namespace heed::cli {

/// What `heed look` was told.
struct LookArguments {
  TextInputs inputs;
  std::string word;
  std::string layer;  // empty: the last
  std::string head;   // empty: the mean
  PictureOptions picture;
  bool sink = false;
  bool pair = false;
  bool pieces = false;
  bool truncate = false;
  std::string show;  // weights, norms, rollout or flow; empty: weights
  bool stats = false;
  std::string board;                 // a statistic
  std::vector<std::string> targets;  // of an encoder-decoder's sources
  std::string attention;             // encoder, decoder or cross; empty: cross
  std::string roles;                 // a file of pairs
  bool compare = false;
  std::string with;       // of compare: another model
  std::string with_head;  // of compare: another head, "5.3"
  bool lens = false;
};

/// A model and the texts it is to look at.
class LookTexts {
 public:
  LookTexts(const Context& context_, const LookArguments& arguments_);
  virtual ~LookTexts() = default;

  /// Of the blocks whose attention is looked at.
  virtual const EncoderFacts& facts() const = 0;
  /// How many looks the texts make.
  virtual size_t count() const = 0;
  /// The look of that index. What `options` says of words, pairs and length is set from the
  /// arguments; of a text that only reports can tell of, stderr is told.
  virtual Look look_at(size_t index, LookOptions options) const = 0;
  /// The look, with whole matrices, of the texts of a pair of --roles.
  virtual Look look_at(const RelatedWords& pair) const = 0;
  /// Of --lens: a text as the model reads it (with its source, if it has one), before it has run,
  /// and what its layers say. Error unsupported for a model without a language model's output.
  virtual Look read(size_t index) const = 0;
  virtual LogitLens lens(const Look& read, int64_t top, const Progress& progress) const = 0;
  /// The same texts, as that context's model reads them. It must outlive them.
  virtual std::unique_ptr<LookTexts> by_model(const Context& other) const = 0;
  /// With an encoder-decoder the text of that look, which is of what was made of it; else none.
  virtual std::optional<std::string> source_of(size_t /*index*/) const { return std::nullopt; }

  const Context& context;
  const LookArguments& arguments;
  std::string model_name;  // for people
  std::shared_ptr<const Tokenizer> tokenizer;
};

/// An encoder, or a causal model, and the texts it is to look at.
struct LookSession : LookTexts {
  std::shared_ptr<const Encoder> model;
  std::vector<PlacedText> texts;

  /// Reads the texts (with --roles there are none) and loads the model.
  LookSession(const Context& context, const LookArguments& arguments);
  LookSession(const Context& context, const LookArguments& arguments,
              std::vector<PlacedText> texts_);

  const EncoderFacts& facts() const override { return model->facts(); }
  size_t count() const override { return texts.size() / step(); }  // half of them with --pair
  Look look_at(size_t index, LookOptions options) const override;
  Look look_at(const RelatedWords& pair) const override;
  Look read(size_t index) const override;
  LogitLens lens(const Look& read, int64_t top, const Progress& progress) const override;
  std::unique_ptr<LookTexts> by_model(const Context& other) const override;
  /// The word that --word chooses in a text.
  int64_t chosen_word(const Look& look, size_t* same = nullptr) const;

 private:
  size_t step() const { return arguments.pair ? 2 : 1; }
};

/// The word of a look that --word's WORD or WORD:N chooses; same: how many there are of it. Error
/// invalid_argument lists the look's words.
int64_t find_chosen(const std::string& chosen, const Look& look, size_t* same = nullptr);

/// Of several texts, those of the first are "text0_weights".
NamedTensors look_arrays(const std::vector<Look>& looks);

/// "all-MiniLM-L6-v2" of a name with its owner or of a folder.
std::string short_name(std::string name);

/// stderr is told of a look that only reports can tell of.
void note_long(const Look& look, const EncoderFacts& facts);

/// "5", if there are more; else none.
std::optional<int64_t> number_below(std::string_view text, int64_t count);

/// "5", "mean" or "all" of `count` layers or heads. Error invalid_argument names the option.
Pick parse_pick(const std::string& text, const char* option, int64_t count);
/// The layers that maps show: those of --layer; without it all where --head asks for one head or
/// for all, else `usual`. Error as parse_pick().
Pick shown_layers(const LookArguments& arguments, const Pick& head, int64_t layers, Pick usual);

/// Error invalid_argument for an option that what is shown in place of the summary does not take.
void check_choices(const LookArguments& arguments);

// What the options in place of the usual summary do; each prints, and saves if asked.
void print_stats(const LookSession& session);  // --stats, --board
/// --roles; with_targets: each pair has a text and what was made of it.
void print_roles(const LookTexts& texts, bool with_targets = false);
/// What --stats and --board show.
struct HeadStats {
  HeadTable table;
  size_t texts = 0;
  std::string note = {};  // where numbers come from; may be empty
  bool cross = false;     // kCrossStatistics alone
};
void show_stats(const Context& context, const LookArguments& arguments, const HeadStats& stats);
/// With an encoder-decoder, of which every option of look's that is there is looked at by it alone.
void print_pair(const Context& context, const LookArguments& arguments);
void print_comparison(const LookTexts& texts);  // --compare
void print_through(const LookTexts& texts);     // --show
void print_lens(const LookTexts& texts);        // --lens
/// What the first of these three that is asked for prints; whether one is.
bool print_instead(const LookTexts& texts);

}  // namespace heed::cli
