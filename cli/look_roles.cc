// heed look --roles: which heads follow a relation between words.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "cli/json_out.h"
#include "cli/look_session.h"
#include "cli/progress.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/csv.h"
#include "heed/lens/board.h"
#include "heed/lens/labels.h"
#include "heed/lens/relations.h"

namespace heed::cli {
namespace {

constexpr size_t kHeadsShown = 5;

std::vector<RelatedWords> read_pairs(const std::string& file, bool with_targets) {
  const std::vector<CsvRow> rows = parse_csv(read_file(file), file);
  const std::vector<std::string> header = rows.empty() ? std::vector<std::string>{} : rows[0].cells;
  std::array<size_t, 5> columns{};
  constexpr std::array<const char*, 5> kNames{"text", "from-word", "to-word", "relation", "target"};
  const size_t wanted = with_targets ? 5 : 4;
  for (size_t i = 0; i < wanted; ++i) {
    const auto found = std::find(header.begin(), header.end(), kNames[i]);
    if (found == header.end()) {
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("{}: needed the columns text, from-word, to-word and relation{}, found "
                      "no {} in: {}",
                      file, with_targets ? ", and target" : "", kNames[i],
                      header.empty() ? "nothing" : listed(header)));
    }
    columns[i] = static_cast<size_t>(found - header.begin());
  }
  std::vector<RelatedWords> pairs;
  for (size_t r = 1; r < rows.size(); ++r) {
    const std::vector<std::string>& cells = rows[r].cells;
    if (cells.size() != header.size()) {
      throw Error(ErrorCode::corrupt_data,
                  fmt::format("{}:{}: needed {} as its header has, found {}", file, rows[r].line,
                              counted(std::ssize(header), "cell"), cells.size()));
    }
    if (cells[columns[3]].empty()) {
      throw Error(ErrorCode::corrupt_data,
                  fmt::format("{}:{}: needed the name of a relation, found an empty cell", file,
                              rows[r].line));
    }
    pairs.push_back({cells[columns[0]], cells[columns[1]], cells[columns[2]], cells[columns[3]]});
    if (with_targets) pairs.back().target = cells[columns[4]];
  }
  return pairs;
}

void print_relation(const Relation& relation, const TerminalStyle& style) {
  for (const std::string& line :
       wrap(fmt::format("{}: {}; the best fixed place, {:+}, hits {:.2f}",
                        clean_label(relation.name), counted(relation.pairs, "pair"),
                        relation.offset, relation.baseline),
            style.width, style.unicode)) {
    print(line + "\n");
  }
  print("  head     hits  share\n");
  for (size_t i = 0; i < std::min(kHeadsShown, relation.heads.size()); ++i) {
    const HeadRelation& one = relation.heads[i];
    const int most = std::clamp(style.width - 28, 0, 40);
    std::string bar;
    for (long n = std::lround(one.hits * static_cast<float>(most)); n > 0; --n) {
      bar += style.unicode ? "━" : "=";
    }
    print(fmt::format("  {:<7}  {:.2f}   {:.2f}  {}{}\n",
                      fmt::format("L{} H{}", one.layer, one.head), one.hits, one.share, bar,
                      one.hits > relation.baseline ? "" : " (no better)"));
  }
  print("\n");
}

OutJson relation_json(const Relation& relation) {
  OutJson out;
  out["relation"] = relation.name;
  out["pairs"] = relation.pairs;
  out["baseline"] = relation.baseline;
  out["offset"] = relation.offset;
  out["heads"] = OutJson::array();
  for (const HeadRelation& one : relation.heads) {
    out["heads"].push_back(
        {{"layer", one.layer}, {"head", one.head}, {"hits", one.hits}, {"share", one.share}});
  }
  return out;
}

Picture boards(const std::vector<Relation>& relations, const LookTexts& texts) {
  const EncoderFacts& facts = texts.facts();
  Picture picture;
  for (const Relation& relation : relations) {
    std::vector<float> hits(relation.heads.size());
    for (const HeadRelation& one : relation.heads) {
      hits[static_cast<size_t>(one.layer * facts.heads + one.head)] = one.hits;
    }
    picture.maps.push_back(head_board(relation.name, facts.layers, facts.heads, hits));
    picture.maps.back().lowest = 0;
    picture.maps.back().highest = 1;
  }
  picture.title = "How often a head's largest weight goes where the relation says";
  picture.caption =
      texts.model_name + ". Rows are layers, columns heads, counted from 0; by place alone:";
  for (const Relation& relation : relations) {
    picture.caption += fmt::format(" {} {:.2f};", relation.name, relation.baseline);
  }
  picture.caption.back() = '.';
  return picture;
}

}  // namespace

void print_roles(const LookTexts& texts, bool with_targets) {
  const std::vector<RelatedWords> pairs = read_pairs(texts.arguments.roles, with_targets);
  std::vector<Relation> relations;
  {
    ProgressBar bar(texts.context, "looking", "texts");
    relations = score_relations([&](const RelatedWords& pair) { return texts.look_at(pair); },
                                pairs, bar.callback());
  }
  const TerminalStyle style = style_for_output(texts.arguments.picture, texts.context);
  for (const Relation& relation : relations) {
    if (texts.context.json) {
      print_json(relation_json(relation));
    } else {
      print_relation(relation, style);
    }
  }
  save_if_asked(texts.arguments.picture, boards(relations, texts));
}

}  // namespace heed::cli
