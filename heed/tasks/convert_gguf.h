#pragma once

#include <filesystem>

#include "heed/tasks/convert.h"

namespace heed::internal {

/// convert_model() from a GGUF file to one: metadata as they are, tensors by their own names.
void convert_gguf(const std::filesystem::path& file, const std::filesystem::path& out,
                  const ConvertOptions& options);

/// convert_model() from a folder to a GGUF file.
void convert_folder_to_gguf(const std::filesystem::path& folder, const std::filesystem::path& out,
                            const ConvertOptions& options);

}  // namespace heed::internal
