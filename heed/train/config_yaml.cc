#include <yaml-cpp/yaml.h>

#include <set>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/train/config_value.h"

namespace heed {
namespace {

// Far beyond any settings; the parser's time grows with the square of what it is given.
constexpr size_t kMostBytes = 1 << 16;

/// Reads one document; members share where messages begin.
class Reader {
 public:
  Reader(TrainConfig& config, const std::string& where) : config_(config), where_(where) {}

  void read(std::string_view yaml) {
    if (yaml.size() > kMostBytes) {
      throw Error(ErrorCode::corrupt_data, where_ + ": needed settings of at most " +
                                               std::to_string(kMostBytes) + " bytes, found " +
                                               std::to_string(yaml.size()));
    }
    try {
      take(YAML::Load(std::string(yaml)));
    } catch (const YAML::Exception& error) {
      throw Error(ErrorCode::corrupt_data,
                  where_ + place(error.mark) + ": not YAML: " + printable(error.msg));
    }
  }

 private:
  static std::string place(const YAML::Mark& mark) {
    return mark.is_null() ? "" : ", line " + std::to_string(mark.line + 1);
  }

  [[noreturn]] void fail(const YAML::Node& node, const std::string& found) const {
    throw Error(ErrorCode::invalid_argument, where_ + place(node.Mark()) + ": " + found);
  }

  void take(const YAML::Node& root) {
    if (root.IsNull()) return;  // empty, or comments alone
    if (!root.IsMap()) fail(root, "needed settings as \"name: value\", found another kind of YAML");
    std::set<std::string> names;
    for (const auto& member : root) {
      if (!member.first.IsScalar()) fail(member.first, "needed the name of a setting");
      const std::string& name = member.first.Scalar();
      if (!names.insert(name).second) fail(member.first, in_quotes(name) + " is set twice");
      take_member(member.first, member.second);
    }
  }

  /// Errors name the line of the name: that of a value left out is where the next one begins.
  void take_member(const YAML::Node& key, const YAML::Node& value) {
    const std::string& name = key.Scalar();
    std::vector<std::string> items;
    if (value.IsScalar()) items.push_back(value.Scalar());
    if (value.IsSequence()) {
      for (const YAML::Node& item : value) {
        if (!item.IsScalar()) fail(item, in_quotes(name) + ": needed a list of texts");
        items.push_back(item.Scalar());
      }
    }
    if (value.IsMap()) fail(value, in_quotes(name) + " needs one value, found a mapping");
    try {
      internal::set_value(config_, name, items, value.IsSequence());
    } catch (const Error& error) {
      fail(key, error.what());
    }
  }

  TrainConfig& config_;
  const std::string& where_;
};

}  // namespace

void parse_train_config(TrainConfig& config, std::string_view yaml, const std::string& where) {
  TrainConfig read = config;  // so that an error leaves config as it was
  Reader(read, where).read(yaml);
  config = std::move(read);
}

void read_train_config(TrainConfig& config, const std::filesystem::path& path) {
  parse_train_config(config, read_file(path), path.string());
}

}  // namespace heed
