#pragma once

#include <functional>
#include <string_view>

namespace heed {

enum class LogLevel { info, warning };

using LogSink = std::function<void(LogLevel, std::string_view message)>;

/// Where the library's messages go; by default nowhere. The library itself never prints.
void set_log_sink(LogSink sink);
void log(LogLevel level, std::string_view message);

}  // namespace heed
