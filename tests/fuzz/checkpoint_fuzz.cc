// A training checkpoint's state.json from anywhere, beside files that are whole.

#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/train/checkpoint.h"

namespace {

/// A whole checkpoint, in memory where the system has such a folder; it goes with the process.
class Scratch {
 public:
  Scratch() {
    heed::CheckpointFolder checkpoints(folder_);
    checkpoint_ =
        checkpoints.save({.step = 1, .weights = {{"w", heed::Tensor::zeros({2})}}}, false);
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& checkpoint() const { return checkpoint_; }

 private:
  static std::filesystem::path base() {
    if (std::filesystem::is_directory("/dev/shm")) return "/dev/shm";
    return std::filesystem::temp_directory_path();
  }
  std::filesystem::path folder_ = base() / ("heed-fuzz-" + std::to_string(getpid()));
  std::filesystem::path checkpoint_;
};

void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  heed::GrowingFile(path, 0).append(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  static const Scratch scratch;
  const std::filesystem::path& folder = scratch.checkpoint();
  const std::string text(reinterpret_cast<const char*>(data), size);
  write_bytes(folder / "state.json", text);
  try {
    load_checkpoint(folder);
  } catch (const Error&) {
  }
  // the same as its content, under a sum that holds
  const Json content = Json::parse(text, nullptr, false);
  if (content.is_discarded()) return 0;
  const Json state{
      {"format", "heed training checkpoint"},
      {"version", 1},
      {"crc32c", crc_text(crc32c(content.dump(-1, ' ', false, Json::error_handler_t::replace)))},
      {"content", content}};
  write_bytes(folder / "state.json", state.dump(-1, ' ', false, Json::error_handler_t::replace));
  try {
    load_checkpoint(folder);
  } catch (const Error&) {
  }
  return 0;
}
