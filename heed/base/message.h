#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// text on one line and harmless to a terminal: control characters and bytes that are not UTF-8
/// become \xNN.
std::string printable(std::string_view text);

/// The same in single quotes, cut with "..." after 200 bytes.
std::string in_quotes(std::string_view text);

/// "a, b, c"; beyond `most` items "a, b and 7 more".
std::string listed(const std::vector<std::string>& items, size_t most = 12);

/// Up to `most` of candidates that someone who wrote `wanted` may have meant, likeliest first:
/// those that contain it (or that it contains) or whose words begin with its letters ("lr",
/// learning_rate), then those within a third of its length in edits.
std::vector<std::string> closest(std::string_view wanted,
                                 const std::vector<std::string>& candidates, size_t most = 3);

/// "1 text", "2 texts".
std::string counted(int64_t count, std::string_view thing);

/// "12.3 MB" (powers of 1000, as disks and download pages count).
std::string human_bytes(int64_t bytes);

}  // namespace heed
