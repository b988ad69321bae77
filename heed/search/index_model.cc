#include "heed/search/index_model.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/parallel.h"
#include "heed/base/paths.h"
#include "heed/io/hub.h"
#include "heed/search/sources.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kUsualTokens = 128;

constexpr int64_t kSummedAtOnce = 16 << 20;

/// A sum of sums of parts, so that several threads share a large file.
uint32_t sum_of_file(const fs::path& path) {
  const auto file = MappedFile::open(path);
  const auto size = static_cast<int64_t>(file->bytes().size());
  std::vector<uint32_t> sums(static_cast<size_t>((size + kSummedAtOnce - 1) / kSummedAtOnce));
  parallel_for(static_cast<int64_t>(sums.size()), [&](int64_t i, int) {
    const int64_t begin = i * kSummedAtOnce;
    sums[static_cast<size_t>(i)] = crc32c(file->bytes().subspan(
        static_cast<size_t>(begin), static_cast<size_t>(std::min(kSummedAtOnce, size - begin))));
  });
  return crc32c(std::as_bytes(std::span(sums)));
}

}  // namespace

std::string fingerprint_of(std::string_view model) {
  constexpr std::array<std::string_view, 5> kEndings = {".json", ".txt", ".model", ".safetensors",
                                                        ".gguf"};
  const fs::path place = find_model(model);
  if (!is_folder(place)) return crc_text(sum_of_file(place));
  std::vector<fs::path> files;
  const auto refuse = [](const fs::path&, const Error& error) { throw error; };
  for (const fs::path& file : files_below(place, refuse)) {
    const bool counts = std::ranges::find(kEndings, file.extension().string()) != kEndings.end();
    if (counts) files.push_back(file);
  }
  std::ranges::sort(files);
  std::string all;
  for (const fs::path& file : files) {
    all += file.lexically_relative(place).string() + "\n" + crc_text(sum_of_file(file)) + "\n";
  }
  return crc_text(crc32c(all));
}

Embedder load_index_embedder(std::string_view model) {
  return Embedder::load(model, {.pooling = {}, .normalize = true});
}

Embedder load_index_embedder(const IndexSettings& settings, std::string_view model) {
  if (model.empty()) model = settings.model;
  const std::string found = fingerprint_of(model);
  if (found != settings.fingerprint) {
    throw Error(ErrorCode::invalid_argument,
                "search: the index was made with " + settings.model + " as it was then (" +
                    settings.fingerprint + "), and " + std::string(model) + " is another model (" +
                    found + "): name the right one with --model, or index the files anew");
  }
  Embedder embedder = load_index_embedder(model);
  if (embedder.width() != settings.width) {
    throw Error(ErrorCode::corrupt_data,
                "search: the index holds vectors of " + std::to_string(settings.width) +
                    " numbers, its model gives " + std::to_string(embedder.width()));
  }
  return embedder;
}

IndexSettings index_settings(std::string_view model, const Embedder& embedder,
                             const ChunkWish& wish) {
  const auto beside =  // what stands around a chunk
      std::ssize(embedder.tokenizer().encode(embedder.document_prompt()).ids);
  const int64_t most = embedder.max_tokens() - beside;
  if (wish.tokens > most || most < 1) {
    throw Error(ErrorCode::invalid_argument,
                "search: needed chunks of at most " + std::to_string(most) +
                    " tokens, which is what the model reads, found " + std::to_string(wish.tokens));
  }
  IndexSettings settings{
      .model = is_there(model) ? source_path(fs::path(model)) : std::string(model),
      .fingerprint = fingerprint_of(model),
      .width = embedder.width()};
  settings.chunks.tokens = wish.tokens > 0 ? wish.tokens : std::min(kUsualTokens, most);
  settings.chunks.overlap = wish.overlap >= 0 ? wish.overlap : settings.chunks.tokens / 4;
  if (settings.chunks.overlap > settings.chunks.tokens / 2) {
    throw Error(ErrorCode::invalid_argument,
                "search: needed an overlap of at most half a chunk's " +
                    std::to_string(settings.chunks.tokens) + " tokens, found " +
                    std::to_string(settings.chunks.overlap));
  }
  return settings;
}

}  // namespace heed
