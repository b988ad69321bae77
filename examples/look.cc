// Where does a model look? For each word of a text, the word that the strongest head of the first
// layer looks at most. An Observer sees what the model computes, and changes no bit of it.

#include <heed/heed.h>

#include <cstdio>

namespace {

class FirstLayer : public heed::Observer {
 public:
  heed::AttentionWant wants(int layer, std::string_view) override {
    return {.weights = layer == 0};
  }
  void attention(int layer, std::string_view, const heed::AttentionOutputs& outputs) override {
    if (layer == 0) weights = outputs.weights;  // [B, H, T, T]
  }
  heed::Tensor weights;
};

struct Gaze {
  int64_t head, key;
  float weight;
};

Gaze strongest(const heed::Tensor& weights, int64_t query) {
  Gaze best{0, 0, 0.0f};
  for (int64_t head = 0; head < weights.size(1); ++head) {
    for (int64_t key = 1; key + 1 < weights.size(3); ++key) {  // but [CLS] and [SEP]
      const float weight = weights.at({0, head, query, key});
      if (weight > best.weight) best = {head, key, weight};
    }
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) try {
  const auto folder = heed::find_model("all-MiniLM-L6-v2");
  const auto tokenizer = heed::Tokenizer::load(folder);
  const auto model = heed::load_encoder(folder);
  const heed::Encoding text = tokenizer->encode(argc > 1 ? argv[1] : "I sat by the river bank.");
  FirstLayer seen;
  (*model)(heed::EncoderInput::from_rows({text.ids}), {.observer = &seen});
  for (size_t t = 1; t + 1 < text.tokens.size(); ++t) {
    const Gaze gaze = strongest(seen.weights, static_cast<int64_t>(t));
    std::printf("%-12s looks at %-12s %.3f (head %d)\n", text.tokens[t].c_str(),
                text.tokens[static_cast<size_t>(gaze.key)].c_str(),
                static_cast<double>(gaze.weight), static_cast<int>(gaze.head));
  }
} catch (const heed::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
