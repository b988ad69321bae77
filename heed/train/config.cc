#include "heed/train/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/json.h"
#include "heed/train/config_value.h"

namespace heed {
namespace {

template <class Number>
std::optional<Number> parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Integers also as "2e4".
template <class Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  if (const auto integer = parse<Integer>(text)) return integer;
  const auto number = parse<double>(text);
  const bool exact = number && std::abs(*number) < 0x1p53 && *number == std::floor(*number);
  if (!exact || (std::is_unsigned_v<Integer> && *number < 0)) return std::nullopt;
  return static_cast<Integer>(*number);
}

std::string number_text(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

/// Puts a value into a config, or says what the field needs.
class Setter {
 public:
  Setter(TrainConfig& config, const TrainField& field, const std::vector<std::string>& value,
         bool is_list)
      : config_(config), field_(field), value_(value), is_list_(is_list) {}

  void operator()(std::string TrainConfig::*member) const {
    const std::string& text = one("a text");
    const auto& choices = field_.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      fail("one of " + listed({choices.begin(), choices.end()}));
    }
    check_text(text);
    config_.*member = text;
  }
  void operator()(std::vector<std::string> TrainConfig::*member) const {
    for (const std::string& text : value_) check_text(text);
    config_.*member = value_;
  }
  void operator()(bool TrainConfig::*member) const {
    const std::string& text = one("true or false");
    const bool yes = text == "true" || text == "yes";
    if (!yes && text != "false" && text != "no") fail("true or false");
    config_.*member = yes;
  }
  void operator()(int64_t TrainConfig::*member) const {
    const auto number = parse_integer<int64_t>(one("a whole number"));
    if (!number) fail("a whole number");
    check_range(static_cast<double>(*number));
    config_.*member = *number;
  }
  void operator()(uint64_t TrainConfig::*member) const {
    const auto number = parse_integer<uint64_t>(one("a whole number"));
    if (!number) fail("a whole number from 0 on");
    config_.*member = *number;
  }
  void operator()(double TrainConfig::*member) const {
    const auto number = parse<double>(one("a number"));
    if (!number || !std::isfinite(*number)) fail("a number");
    check_range(*number);
    config_.*member = *number;
  }

 private:
  [[noreturn]] void fail(const std::string& needed) const {
    throw Error(ErrorCode::invalid_argument,
                std::string(field_.name) + " must be " + needed + ", found " +
                    (is_list_ ? "a list" : in_quotes(value_.empty() ? "" : value_.front())));
  }
  const std::string& one(const char* needed) const {
    if (is_list_ || value_.size() != 1) fail(needed);
    return value_.front();
  }
  /// to_yaml() could not write it.
  void check_text(const std::string& text) const {
    try {
      static_cast<void>(Json(text).dump());
    } catch (const Json::exception&) {
      fail("UTF-8");
    }
  }
  void check_range(double number) const {
    if (number >= field_.least && number <= field_.most) return;
    if (std::isinf(field_.most)) fail(number_text(field_.least) + " or more");
    fail("from " + number_text(field_.least) + " to " + number_text(field_.most));
  }

  TrainConfig& config_;
  const TrainField& field_;
  const std::vector<std::string>& value_;
  bool is_list_;
};

std::string with_underscores(std::string_view name) {
  std::string result(name);
  std::replace(result.begin(), result.end(), '-', '_');
  return result;
}

std::vector<std::string> split_list(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  std::vector<std::string> items;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

template <class Kinds>
auto named(const Kinds& kinds, const std::string& name, const char* what) {
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const auto& kind) { return kind.first == name; });
  if (found == kinds.end()) {
    throw Error(ErrorCode::invalid_argument,
                std::string("there is no ") + what + " " + in_quotes(name));
  }
  return found->second;
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

/// A member's value as YAML writes it.
struct Writer {
  const TrainConfig& config;
  std::string operator()(std::string TrainConfig::*member) const { return quoted(config.*member); }
  std::string operator()(double TrainConfig::*member) const { return number_text(config.*member); }
  std::string operator()(int64_t TrainConfig::*member) const {
    return std::to_string(config.*member);
  }
  std::string operator()(uint64_t TrainConfig::*member) const {
    return std::to_string(config.*member);
  }
  std::string operator()(bool TrainConfig::*member) const {
    return config.*member ? "true" : "false";
  }
  std::string operator()(std::vector<std::string> TrainConfig::*member) const {
    std::string text;
    for (const std::string& item : config.*member)
      text += (text.empty() ? "" : ", ") + quoted(item);
    return "[" + text + "]";
  }
};

}  // namespace

namespace internal {

void set_value(TrainConfig& config, std::string_view name, const std::vector<std::string>& value,
               bool is_list) {
  const std::string wanted = with_underscores(name);
  const auto& fields = train_fields();
  const auto field = std::find_if(fields.begin(), fields.end(),
                                  [&](const TrainField& one) { return one.name == wanted; });
  if (field == fields.end()) {
    std::vector<std::string> names;
    for (const TrainField& one : fields) names.emplace_back(one.name);
    const std::vector<std::string> near = closest(wanted, names);
    throw Error(ErrorCode::invalid_argument,
                "there is no setting " + in_quotes(name) +
                    (near.empty() ? "; heed train --help lists them all"
                                  : "; did you mean " + listed(near) + "?"));
  }
  std::visit(Setter(config, *field, value, is_list), field->member);
  config.given.insert(std::string(field->name));
}

}  // namespace internal

void set_field(TrainConfig& config, std::string_view name, std::string_view value) {
  const std::string wanted = with_underscores(name);
  const bool is_list =
      std::any_of(train_fields().begin(), train_fields().end(), [&](const TrainField& one) {
        return one.name == wanted &&
               std::holds_alternative<std::vector<std::string> TrainConfig::*>(one.member);
      });
  internal::set_value(config, name, is_list ? split_list(value) : std::vector{std::string(value)},
                      is_list);
}

std::string to_yaml(const TrainConfig& config) {
  std::string text;
  for (const TrainField& field : train_fields()) {
    text += (config.has(field.name) ? "" : "# ") + std::string(field.name) + ": " +
            std::visit(Writer{config}, field.member) + "\n";
  }
  return text;
}

std::string default_text(const TrainField& field) {
  const TrainConfig usual;
  if (const auto* text = std::get_if<std::string TrainConfig::*>(&field.member)) {
    return usual.*(*text);
  }
  const bool list = std::holds_alternative<std::vector<std::string> TrainConfig::*>(field.member);
  return list ? "" : std::visit(Writer{usual}, field.member);
}

OptimizerOptions optimizer_options(const TrainConfig& config) {
  static constexpr std::array kKinds{
      std::pair{"sgd", OptimizerKind::sgd}, std::pair{"adam", OptimizerKind::adam},
      std::pair{"adamw", OptimizerKind::adamw}, std::pair{"adafactor", OptimizerKind::adafactor},
      std::pair{"lion", OptimizerKind::lion}};
  const OptimizerKind kind = named(kKinds, config.optimizer, "optimizer");
  OptimizerOptions options = OptimizerOptions::defaults(kind);
  if (kind == OptimizerKind::sgd) {
    options.momentum = config.momentum;
    options.nesterov = config.nesterov;
  }
  if (config.beta1 != -1) options.beta1 = config.beta1;
  if (config.beta2 != -1) options.beta2 = config.beta2;
  options.epsilon = config.epsilon;
  return options;
}

ScheduleOptions schedule_options(const TrainConfig& config, int64_t total_steps, int64_t width) {
  static constexpr std::array kKinds{
      std::pair{"constant", ScheduleKind::constant}, std::pair{"linear", ScheduleKind::linear},
      std::pair{"cosine", ScheduleKind::cosine}, std::pair{"noam", ScheduleKind::noam}};
  const ScheduleKind kind = named(kKinds, config.schedule, "schedule");
  const double usual = kind == ScheduleKind::noam ? 1 : 3e-4;
  return {.kind = kind,
          .peak = config.learning_rate == 0 ? usual : config.learning_rate,
          .floor = config.floor_rate,
          .warmup_steps = config.warmup_steps,
          .total_steps = total_steps,
          .width = width};
}

}  // namespace heed
