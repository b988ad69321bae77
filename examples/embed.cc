// How near in meaning are two texts? The cosine of their vectors says.

#include <heed/heed.h>

#include <cstdio>
#include <numeric>

int main(int argc, char** argv) try {
  const char* first = argc > 1 ? argv[1] : "How old are you?";
  const char* second = argc > 2 ? argv[2] : "What is your age?";
  const heed::Embedder embed = heed::Embedder::load("all-MiniLM-L6-v2");
  const heed::Tensor a = embed(first);   // [384], of length 1
  const heed::Tensor b = embed(second);  // [384]
  const auto x = a.span<float>(), y = b.span<float>();
  const float cosine = std::inner_product(x.begin(), x.end(), y.begin(), 0.0f);
  std::printf("%.4f  %s | %s\n", static_cast<double>(cosine), first, second);
} catch (const heed::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
