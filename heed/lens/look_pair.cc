#include "heed/lens/look_pair.h"

#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/lens/id_text.h"

namespace heed {
namespace {

std::vector<Word> words_of(const ReadText& read, bool pieces) {
  return pieces ? single_pieces(read.encoding) : group_words(read.encoding, read.text);
}

/// The entries of `all` without the last, behind another one.
template <class T>
std::vector<T> shifted(const std::vector<T>& all, T first) {
  std::vector<T> out{std::move(first)};
  out.insert(out.end(), all.begin(), all.end() - 1);
  return out;
}

/// What the decoder reads: the start, and of the target all but the last token.
Encoding read_by_decoder(const PairText& pair) {
  const Encoding& target = pair.target.encoding;
  return {.ids = shifted(target.ids, pair.start),
          .tokens = shifted(target.tokens, pair.start_token),
          .type_ids = shifted(target.type_ids, 0),
          .offsets = shifted(target.offsets, Span{}),
          .byte_offsets = shifted(target.byte_offsets, Span{}),
          .words = shifted(target.words, -1),
          .special = shifted(target.special, true)};
}

Look look_of(const ReadText& read) {
  Look out;
  out.text = read.text;
  out.encoding = read.encoding;
  out.words = read.words;
  return out;
}

}  // namespace

PairAttention pair_attention_from_name(std::string_view name) {
  if (name == "encoder") return PairAttention::encoder;
  if (name == "decoder") return PairAttention::decoder;
  if (name == "cross") return PairAttention::cross;
  throw Error(ErrorCode::invalid_argument,
              "look: the attention of an encoder-decoder is encoder, decoder or cross, found " +
                  in_quotes(name));
}

EncoderFacts pair_facts(const EncoderDecoderFacts& facts, PairAttention which) {
  const bool encoder = which == PairAttention::encoder;
  return {.architecture = facts.architecture,
          .width = facts.width,
          .layers = encoder ? facts.encoder_layers : facts.decoder_layers,
          .heads = encoder ? facts.encoder_heads : facts.decoder_heads,
          .max_tokens = facts.max_tokens,
          .vocab = encoder ? facts.source_vocab : facts.target_vocab};
}

ReadText read_source(Encoding encoding, std::string_view text, const PairWords& how) {
  ReadText read{.text = std::string(text), .encoding = std::move(encoding), .words = {}};
  for (size_t i = 0; i < read.encoding.ids.size(); ++i) {
    const Span& at = read.encoding.byte_offsets[i];
    if (at.end <= how.prefix_bytes && at.start < at.end) read.encoding.special[i] = true;
  }
  split_at_signs(read.encoding, text);
  read.words = words_of(read, how.pieces);
  return read;
}

ReadText read_target(const std::shared_ptr<const Tokenizer>& tokenizer,
                     std::span<const int32_t> ids, const PairWords& how) {
  IdText whole(tokenizer);
  whole.set(ids);
  ReadText read{.text = {}, .encoding = whole.encoding(), .words = {}};
  Encoding& all = read.encoding;
  std::vector<int32_t> said;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!all.special[i]) said.push_back(ids[i]);
  }
  IdText plain(tokenizer);
  plain.set(said);
  read.text = plain.text();
  const Encoding& some = plain.encoding();
  Span characters, bytes;
  for (size_t i = 0, next = 0; i < ids.size(); ++i) {
    const bool special = all.special[i];
    characters = special ? Span{characters.end, characters.end} : some.offsets[next];
    bytes = special ? Span{bytes.end, bytes.end} : some.byte_offsets[next];
    all.offsets[i] = characters;
    all.byte_offsets[i] = bytes;
    if (!special) ++next;
  }
  split_at_signs(all, read.text);
  read.words = words_of(read, how.pieces);
  return read;
}

Look read_pair(const PairText& text, PairAttention which, bool pieces) {
  if (which == PairAttention::encoder) return look_of(text.source);
  if (text.target.encoding.ids.empty()) {
    throw Error(ErrorCode::invalid_argument, "look: needed a target, found an empty one");
  }
  if (which == PairAttention::cross) {
    Look read = look_of(text.target);
    read.source = text.source;
    return read;
  }
  ReadText reads{.text = text.target.text, .encoding = read_by_decoder(text), .words = {}};
  reads.words = words_of(reads, pieces);
  return look_of(reads);
}

Look look_pair(const EncoderDecoder& model, const PairText& text, PairAttention which,
               const LookOptions& options) {
  const EncoderFacts facts = pair_facts(model.facts(), which);
  const auto source = EncoderInput::from_rows({text.source.encoding.ids});
  Look read = read_pair(text, which, options.pieces);
  if (which == PairAttention::encoder) {
    return look(
        facts, [&](const Run& run) { model.encode(source, run); }, std::move(read), options);
  }
  const auto ids = EncoderInput::from_rows({read_by_decoder(text).ids});
  const auto decode = [&](const Run& run) { model.decode(ids.ids, model.encode(source), run); };
  return look(facts, decode, std::move(read), options);
}

}  // namespace heed
