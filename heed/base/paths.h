#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "heed/base/error.h"

// What lies where, for paths that users name: what the system refuses is an Error, never
// std::filesystem's exception, which would be told as a fault of Heed.

namespace heed {

/// "DOING PATH: what the system says of its error number". Error not_found for what is not there,
/// io_failure else.
[[noreturn]] void throw_system(const char* doing, const std::filesystem::path& path, int error);

/// What the name ends in, with small letters: ".csv" of "TABLE.CSV".
std::string ending_of(const std::filesystem::path& path);

/// Whether there is something, or a folder; links are followed. Error io_failure where the system
/// does not tell: a name is too long, say, or a folder above may not be entered.
bool is_there(const std::filesystem::path& path);
bool is_folder(const std::filesystem::path& path);

/// The path from the root. Error where the current folder is gone.
std::filesystem::path absolute_path(const std::filesystem::path& path);

/// Makes the folder, and those above it, unless it is there. Error not_found, io_failure.
void make_folder(const std::filesystem::path& folder);

/// Removes the file, if there is one. Error io_failure.
void remove_file(const std::filesystem::path& file);

/// What lies in a folder, in no order. Error not_found, io_failure.
std::vector<std::filesystem::directory_entry> entries_of(const std::filesystem::path& folder);

/// Regular files of a folder and of those below, in no order, but hidden ones and what hidden
/// folders hold; and what the system does not tell of, which may be files. Links to folders are not
/// followed: they may lead around in circles. A folder that cannot be listed is given to `unread`,
/// with the reason.
std::vector<std::filesystem::path> files_below(
    const std::filesystem::path& folder,
    const std::function<void(const std::filesystem::path& folder, const Error&)>& unread);

}  // namespace heed
