#include <fmt/format.h>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/race.h"
#include "heed/lessons/step_list.h"

namespace heed::lessons_internal {
namespace {

const Labels kNames(kRacers.begin(), kRacers.end());

template <class Values>
Labels labels_of(const Values& values) {
  Labels labels;
  for (const int64_t value : values) labels.push_back(std::to_string(value));
  return labels;
}

/// The last row, that of most words or subjects, racer by racer: "LSTM 0.08, GRU 0.07".
std::string at_the_end(const Tensor& table, int digits) {
  std::string text;
  for (int64_t c = 0; c < table.size(1); ++c) {
    text += fmt::format("{}{} {:.{}f}", c == 0 ? "" : ", ", kRacers.at(static_cast<size_t>(c)),
                        table.at({table.size(0) - 1, c}), digits);
  }
  return text;
}

/// A table over lengths, or over numbers of subjects, drawn as curves.
class RaceSteps {
 public:
  RaceSteps(std::vector<Step>& steps, const char* x_axis, Labels rows)
      : add_(steps, std::move(rows)), x_axis_(x_axis) {}

  Step& operator()(const char* section, const char* name, const char* formula, const Tensor& table,
                   StepCurves curves, std::string says) const {
    Step& step = add_(name, formula, "R C", table, kNames, std::move(says));
    step.section = section;
    step.curves = std::move(curves);
    return step;
  }
  Step& shares(const char* section, const char* name, const char* formula, const Tensor& table,
               std::string says) const {
    Step& step =
        (*this)(section, name, formula, table,
                {.x_axis = x_axis_, .y_axis = "share right", .log_x = true}, std::move(says));
    step.heat_map = true;
    step.lowest = 0.0F;
    step.highest = 1.0F;
    step.decimals = 3;
    return step;
  }

 private:
  StepList add_;
  const char* x_axis_;
};

void add_racers(std::vector<Step>& steps, const RaceResult& race) {
  const StepList add(steps, {"numbers"});
  Step& racers = add(
      "racers", "h' = f(h, x) a word at a time, or attention to all words at once", "R C",
      race.parameters, kNames,
      "An encoder reads a sentence, a decoder answers. Alone, LSTM and GRU hand over one final "
      "state; with additive attention each step of the decoder also reads a weighted sum of all "
      "states of the encoder; the Transformer has no steps. All are of width 64 and of about "
      "the same size, and are trained alike: the same sentences, updates and rate.");
  racers.section = "Who races";
  racers.decimals = 0;
  Step& run = add("run", "heed explain recurrent --run --seed N", "R C",
                  Tensor::from({static_cast<float>(race.seed), static_cast<float>(race.threads),
                                static_cast<float>(kCopyUpdates), static_cast<float>(kAgreeUpdates),
                                race.seconds},
                               {1, 5}),
                  {"seed", "threads", "copy updates", "agree updates", "seconds"},
                  fmt::format("Measured on {}. Updates are those of each model; "
                              "sentences of {} to {} words take turns, and the tests are of fresh "
                              "ones. Shares depend on the seed, times on the machine.",
                              race.machine, kRaceLengths.front(), kRaceLengths.back()));
  run.decimals = 0;
}

void add_copying(const RaceSteps& add, const RaceResult& race) {
  add.shares(
      "Copying", "words copied", "right words / words, given the ones before", race.words,
      fmt::format("Say all words again; there are 16, so guessing is right for 0.06 of them. "
                  "One final state of 64 numbers has room for a few words, however many "
                  "there are. At {} words: {}.",
                  kRaceLengths.back(), at_the_end(race.words, 2)));
  add.shares("", "sentences copied", "sentences without a wrong word / sentences", race.copies,
             "The same answers, judged whole: these are the sentences that greedy decoding gives "
             "back exactly.");
}

void add_agreement(const RaceSteps& add, const RaceResult& race) {
  add.shares(
      "Agreement at a distance", "verbs agreed", "right verbs / verbs, 3 subjects", race.verbs,
      fmt::format("Clauses open within one another, \"dogs often that cat near trees that boys\", "
                  "and then close, the last one first: \"see chases bark\". Each verb takes the "
                  "number of its own subject, whatever nouns stand between; guessing is right for "
                  "0.5. Here {} subjects are spread over ever more words. At {}: {}.",
                  kFewSubjects, kRaceLengths.back(), at_the_end(race.verbs, 2)));
}

void add_nesting(const RaceSteps& add, const RaceResult& race) {
  add.shares("", "verbs by subjects", "right verbs / verbs, 200 words", race.nested,
             fmt::format(
                 "How many numbers are to be kept at once, in the longest sentences. A state takes "
                 "them up one after another and gives the last one first, as a stack does: what "
                 "it forgets it forgets by their count, not by distance. Attention finds a word "
                 "by what it is and where it stands, but not by how many subjects follow it: "
                 "that must be counted, and one layer has not learned to. Of {} subjects: {}.",
                 kRaceSubjects.back(), at_the_end(race.nested, 2)));
}

void add_time(const RaceSteps& add, const RaceResult& race) {
  Step& step =
      add("Time", "milliseconds", "forward and backward, 8 sentences to copy", race.update_ms,
          {.x_axis = "words", .y_axis = "milliseconds", .log_x = true, .log_y = true},
          fmt::format("A step needs the state of the step before it, so a recurrent model goes "
                      "through a sentence one word after another, twice; attention to all states "
                      "at each step makes it longer. The Transformer takes all words at once: "
                      "large products, which the more cores share, the more they win; but each "
                      "word looks at each, so its work grows with the square. At {} words: {}.",
                      kRaceLengths.back(), at_the_end(race.update_ms, 1)));
  step.decimals = 2;
}

void add_reach(const RaceSteps& add, const RaceResult& race) {
  const StepCurves curves{.x_axis = "words",
                          .y_axis = "log10 of first word / last word",
                          .log_x = true,
                          .log_y = false};
  const char* formula = "log10 |d score / d x_first| - log10 |d score / d x_last|";
  add("The gradient that reaches the first word", "reach before training", formula, race.reach_new,
      curves,
      fmt::format("How much the verb's score changes with the first word, over how much it changes "
                  "with the last one: 0 is as much, -2 a hundredth. Each step of an untrained LSTM "
                  "or GRU multiplies it by about a half, and below -38 f32 has no full number for "
                  "it: there is nothing to learn from. Attention is a way around all steps. At {} "
                  "words: {}.",
                  kRaceLengths.back(), at_the_end(race.reach_new, 1)))
      .decimals = 1;
  add("", "reach after training", formula, race.reach_trained, curves,
      fmt::format(
          "After training on agreement: short sentences taught gates to hold what long ones "
          "need. At {} words: {}.",
          kRaceLengths.back(), at_the_end(race.reach_trained, 1)))
      .decimals = 1;
}

std::vector<Step> tell(const RaceResult& race) {
  std::vector<Step> steps;
  add_racers(steps, race);
  const RaceSteps add(steps, "words", labels_of(kRaceLengths));
  add_copying(add, race);
  add_agreement(add, race);
  add_nesting(RaceSteps(steps, "subjects", labels_of(kRaceSubjects)), race);
  add_time(add, race);
  add_reach(add, race);
  return steps;
}

}  // namespace

std::vector<Step> walk_recurrent() { return tell(recorded_race()); }
std::vector<Step> run_recurrent(const LessonRun& how) { return tell(run_race(how)); }

}  // namespace heed::lessons_internal
