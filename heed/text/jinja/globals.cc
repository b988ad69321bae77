// What templates find without being given it.

#include <fmt/format.h>

#include <array>
#include <cstdlib>

#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/print.h"
#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

Value range(Context& context, const Arguments& given) {
  const Bound bound("range", given, {"start", "stop", "step"});
  bound.needed(0);
  const bool one = !bound.has(1);
  const int64_t start = one ? 0 : bound.integer(0, 0);
  const int64_t stop = bound.integer(one ? 0 : 1, 0);
  const int64_t step = bound.integer(2, 1);
  if (step == 0) throw Fault("range: the step must not be 0");
  constexpr int64_t kMost = 100000;  // Jinja's sandbox has the same bound
  constexpr int64_t kFarthest = int64_t{1} << 60;
  for (const int64_t number : {start, stop, step}) {
    if (number < -kFarthest || number > kFarthest) {
      throw Fault("range: the numbers are too large");
    }
  }
  const int64_t distance = step > 0 ? stop - start : start - stop;
  const int64_t size = std::abs(step);
  const int64_t count = distance <= 0 ? 0 : (distance - 1) / size + 1;
  if (count > kMost) throw Fault(fmt::format("range: at most {} numbers, found {}", kMost, count));
  std::vector<Value> out;
  for (int64_t i = 0; i < count; ++i) out.emplace_back(start + i * step);
  context.budget.step(out.size());
  return made(std::move(out), context.budget, Sequence::Kind::range);
}

/// dict(pairs or dict, name=value, ...)
Dict make_dict(Context& context, const Arguments& given) {
  Dict dict;
  if (given.positional.size() > 1) throw Fault("dict takes at most one argument without a name");
  if (!given.positional.empty()) {
    const Value& from = given.positional[0];
    if (from.is_dict()) {
      dict = from.dict();
    } else {
      for (const Value& pair : elements_of(from, context.budget)) {
        const auto parts = elements_of(pair, context.budget);
        if (parts.size() != 2) throw Fault("dict needs pairs of key and value");
        dict.put(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : given.named) dict.put(name, value);
  for (const auto& [key, value] : dict.items()) {
    if (key.is_text()) context.budget.make(key.text().size());
  }
  context.budget.make((dict.size() + 1) * sizeof(Value) * 4);
  return dict;
}

Value dict(Context& context, const Arguments& given) { return Value(make_dict(context, given)); }

Value name_space(Context& context, const Arguments& given) {
  auto space = std::make_shared<Namespace>();
  const Dict names = make_dict(context, given);
  for (const auto& [key, value] : names.items()) {
    if (!key.is_text()) throw Fault("a namespace needs names");
    space->put(key.text(), value);
  }
  context.keep(space);
  return Value(std::move(space));
}

Value raise_exception(Context& context, const Arguments& given) {
  const Bound bound("raise_exception", given, {"message"});
  throw Fault(fmt::format("the template refuses: {}", to_text(bound.needed(0), context.budget)));
}

Value strftime_now(Context& context, const Arguments& given) {
  const Bound bound("strftime_now", given, {"format"});
  const std::string format = bound.text(0, "");
  std::tm parts{};
  localtime_r(&context.now, &parts);
  // strftime cannot tell an empty result from one that did not fit: the space makes the difference
  constexpr size_t kMost = 4096;
  std::string text(kMost, '\0');
  const size_t size = std::strftime(text.data(), text.size(), (format + ' ').c_str(), &parts);
  if (size == 0) throw Fault("strftime_now: the text is too long");
  text.resize(size - 1);
  return made(to_utf8(decode_utf8(text).chars), context.budget);
}

}  // namespace

std::shared_ptr<Scope> global_names() {
  using Function = Value (*)(Context&, const Arguments&);
  static constexpr std::array<std::pair<const char*, Function>, 5> kFunctions = {
      {{"range", range},
       {"dict", dict},
       {"namespace", name_space},
       {"raise_exception", raise_exception},
       {"strftime_now", strftime_now}}};
  auto scope = std::make_shared<Scope>();
  for (const auto& [name, function] : kFunctions) {
    scope->set(name, Value(Callable{.name = name, .call = function}));
  }
  return scope;
}

}  // namespace heed::jinja
