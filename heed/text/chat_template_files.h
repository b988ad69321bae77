#pragma once

#include <filesystem>
#include <string>

namespace heed {

/// The texts of a folder's chat templates, not read yet; empty where there is none.
struct TemplateTexts {
  std::string source;    // the default one
  std::string tool_use;  // for conversations with tools
  std::string where;     // the file, for messages
};

/// From chat_template.jinja, else tokenizer_config.json, else chat_template.json. Error
/// corrupt_data.
TemplateTexts chat_templates_in(const std::filesystem::path& folder);

}  // namespace heed
