#include "heed/search/manifest.h"

#include <unordered_map>

#include "heed/base/crc32c.h"
#include "heed/base/error.h"
#include "heed/base/paths.h"
#include "heed/io/json.h"

namespace heed {
namespace {

constexpr const char* kFile = "index.json";
constexpr const char* kFormat = "heed search index";
constexpr int64_t kVersion = 1;
constexpr int64_t kMostWidth = 1 << 16;
constexpr int64_t kMost = INT64_C(1) << 50;

/// The content's members, each of the kind that is asked for.
class Reader {
 public:
  Reader(const Json& json, const std::string& where) : json_(json), where_(where) {
    if (!json.is_object()) damaged();
  }
  int64_t integer(const char* name, int64_t least, int64_t most) const {
    const Json& value = at(name);
    if (!value.is_number_integer()) damaged();
    if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kMost) &&
        most <= kMost) {
      damaged();
    }
    const auto number = value.get<int64_t>();
    if (number < least || number > most) damaged();
    return number;
  }
  std::string text(const char* name) const {
    if (!at(name).is_string()) damaged();
    return at(name).get<std::string>();
  }
  bool boolean(const char* name) const {
    if (!at(name).is_boolean()) damaged();
    return at(name).get<bool>();
  }
  const Json& list(const char* name) const {
    if (!at(name).is_array()) damaged();
    return at(name);
  }
  const Json& at(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) damaged();
    return *found;
  }
  const std::string& where() const { return where_; }
  [[noreturn]] void damaged() const {
    throw Error(ErrorCode::corrupt_data,
                "search: " + where_ + " is damaged: it is not what an index's list holds");
  }

 private:
  const Json& json_;
  const std::string& where_;
};

IndexSettings read_settings(const Reader& in) {
  IndexSettings settings{.model = in.text("model"),
                         .fingerprint = in.text("fingerprint"),
                         .width = in.integer("width", 1, kMostWidth)};
  settings.chunks.tokens = in.integer("chunk_tokens", 1, kMost);
  settings.chunks.overlap = in.integer("overlap", 0, settings.chunks.tokens / 2);
  settings.lines = in.boolean("lines");
  settings.field = in.text("field");
  return settings;
}

using RowsOf = std::unordered_map<int64_t, int64_t>;

Document read_document(const Reader& in, const RowsOf& rows_of) {
  Document document{.path = in.text("path"),
                    .size = in.integer("size", 0, INT64_MAX),
                    .modified_ns = in.integer("modified_ns", INT64_MIN, INT64_MAX),
                    .crc = static_cast<uint32_t>(in.integer("crc32c", 0, UINT32_MAX)),
                    .passages = in.integer("passages", 0, kMost),
                    .parts = {}};
  for (const Json& json : in.list("parts")) {
    const Reader part(json, in.where());
    const int64_t segment = part.integer("segment", 1, kMost);
    const auto found = rows_of.find(segment);
    if (found == rows_of.end()) in.damaged();
    const int64_t first = part.integer("first", 0, found->second);
    document.parts.push_back({segment, first, part.integer("count", 0, found->second - first)});
    if (document.rows() > document.passages) in.damaged();
  }
  return document;
}

Json as_json(const Document& document) {
  Json parts = Json::array();
  for (const DocumentPart& part : document.parts) {
    parts.push_back({{"segment", part.segment}, {"first", part.first}, {"count", part.count}});
  }
  return {{"path", document.path},
          {"size", document.size},
          {"modified_ns", document.modified_ns},
          {"crc32c", document.crc},
          {"passages", document.passages},
          {"parts", std::move(parts)}};
}

Json as_json(const Manifest& manifest) {
  const IndexSettings& settings = manifest.settings;
  Json segments = Json::array(), documents = Json::array();
  for (const SegmentFacts& one : manifest.segments) {
    segments.push_back(
        {{"id", one.id}, {"rows", one.rows}, {"bytes", one.bytes}, {"crc32c", one.crc}});
  }
  for (const Document& document : manifest.documents) documents.push_back(as_json(document));
  return {{"model", settings.model},
          {"fingerprint", settings.fingerprint},
          {"width", settings.width},
          {"chunk_tokens", settings.chunks.tokens},
          {"overlap", settings.chunks.overlap},
          {"lines", settings.lines},
          {"field", settings.field},
          {"next_segment", manifest.next_segment},
          {"sources", manifest.sources},
          {"segments", std::move(segments)},
          {"documents", std::move(documents)}};
}

}  // namespace

int64_t Document::rows() const {
  int64_t count = 0;
  for (const DocumentPart& part : parts) count += part.count;
  return count;
}

void Document::add(const DocumentPart& part) {
  if (part.count == 0) return;
  if (!parts.empty() && parts.back().segment == part.segment &&
      parts.back().first + parts.back().count == part.first) {
    parts.back().count += part.count;
  } else {
    parts.push_back(part);
  }
}

int64_t Manifest::passages() const {
  int64_t count = 0;
  for (const Document& document : documents) count += document.rows();
  return count;
}

Manifest parse_manifest(std::string_view content, const std::string& where) {
  const Json json = parse_json(content, where);
  const Reader head(json, where);
  if (head.text("format") != kFormat) head.damaged();
  if (const int64_t version = head.integer("version", 0, kMost); version != kVersion) {
    throw Error(ErrorCode::unsupported, "search: " + where + ": needed version " +
                                            std::to_string(kVersion) + " of the format, found " +
                                            std::to_string(version) +
                                            "; another Heed wrote it: index the files anew");
  }
  const Json& inner = head.at("content");
  if (crc32c(inner.dump(-1, ' ', false, Json::error_handler_t::replace)) !=
      head.integer("crc32c", 0, UINT32_MAX)) {
    head.damaged();
  }
  const Reader in(inner, where);
  Manifest manifest{.settings = read_settings(in),
                    .next_segment = in.integer("next_segment", 1, kMost)};
  for (const Json& source : in.list("sources")) {
    if (!source.is_string()) in.damaged();
    manifest.sources.push_back(source.get<std::string>());
  }
  RowsOf rows_of;
  int64_t rows = 0;
  for (const Json& one : in.list("segments")) {
    const Reader segment(one, where);
    const SegmentFacts facts{
        .id = segment.integer("id", 1, manifest.next_segment - 1),
        .rows = segment.integer("rows", 0, kMost),
        .bytes = segment.integer("bytes", 0, INT64_MAX),
        .crc = static_cast<uint32_t>(segment.integer("crc32c", 0, UINT32_MAX))};
    rows += facts.rows;
    if (rows > kMost || !rows_of.emplace(facts.id, facts.rows).second) in.damaged();
    manifest.segments.push_back(facts);
  }
  RowsOf unclaimed = rows_of;  // a row belongs to one document
  for (const Json& one : in.list("documents")) {
    manifest.documents.push_back(read_document(Reader(one, where), rows_of));
    for (const DocumentPart& part : manifest.documents.back().parts) {
      unclaimed[part.segment] -= part.count;
      if (unclaimed[part.segment] < 0) in.damaged();
    }
  }
  return manifest;
}

bool has_manifest(const std::filesystem::path& folder) { return is_there(folder / kFile); }

bool is_manifest_name(std::string_view name) { return name == kFile; }

Manifest read_manifest(const std::filesystem::path& folder) {
  if (!has_manifest(folder)) {
    throw Error(
        ErrorCode::not_found,
        "search: " + folder.string() + " is no index; heed search index INDEX FILE... makes one");
  }
  return parse_manifest(read_file(folder / kFile), (folder / kFile).string());
}

void write_manifest(const std::filesystem::path& folder, const Manifest& manifest) {
  const Json content = as_json(manifest);
  const uint32_t crc = crc32c(content.dump(-1, ' ', false, Json::error_handler_t::replace));
  const Json all = {
      {"format", kFormat}, {"version", kVersion}, {"crc32c", crc}, {"content", content}};
  write_file(folder / kFile, all.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace heed
