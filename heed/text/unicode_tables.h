#pragma once

#include <cstdint>
#include <span>

namespace heed {

/// Classes of code points as the reference tokenizers see them (tools/make_unicode_tables.py says
/// why Unicode's newest tables would be wrong).
enum class CodePointClass : uint8_t {
  control,
  whitespace,
  punctuation,
  nonspacing_mark,
  combining_mark,
  word,
  unknown_to_normal_forms,
};
inline constexpr int kCodePointClasses = 7;

struct CodePointRange {  // both ends belong to it
  char32_t first;
  char32_t last;
};

/// Ascending and disjoint.
std::span<const CodePointRange> code_points_of(CodePointClass kind);

struct ScriptRange {  // both ends belong to it
  char32_t first;
  char32_t last;
  uint8_t script;  // a number of Heed's own
};

/// Ascending and disjoint; what no range has belongs to no script.
std::span<const ScriptRange> script_ranges();

}  // namespace heed
