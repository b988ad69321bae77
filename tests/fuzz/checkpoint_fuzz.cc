// A training checkpoint's state.json from anywhere, beside files that are whole.

#include <filesystem>
#include <string>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/train/checkpoint.h"
#include "scratch_folder.h"

namespace {

/// A whole checkpoint.
std::filesystem::path checkpoint_in(const std::filesystem::path& folder) {
  heed::CheckpointFolder checkpoints(folder);
  return checkpoints.save({.step = 1, .weights = {{"w", heed::Tensor::zeros({2})}}}, false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace heed;
  static const ScratchFolder scratch;
  static const std::filesystem::path folder = checkpoint_in(scratch.path());
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
