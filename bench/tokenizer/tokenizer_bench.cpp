// How fast English text becomes ids, on one core, with the published vocabularies; the peer is
// libsentencepiece with its own model. Run it from anywhere; the vocabularies are third-party data
// (tests/support/paths.h), and without them only our own small one is measured.
//
//   cmake --preset release -DSTRATA_BENCH=ON && cmake --build --preset release --target tokenizer_bench
//   build/release/bench/tokenizer/tokenizer_bench
//
// Measured by CPU time on one shared core (Release, 562 KB of English prose): Qwen2's vocabulary of 151,936
// tokens 63 MB/s, 34 MB/s with an empty word cache; Llama 2's 63 and 21 MB/s; libsentencepiece with Llama 2's
// model, line by line, 1.6 MB/s.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <map>

#include "strata/base/file.h"
#include "strata/tokenizer/tokenizer.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

constexpr int kColdRuns = 2;

std::string tales() {
  std::string text;
  for (int i = 1; i <= 16; ++i) text += read_file(test::repo_path(fmt::format("texts/tales/{:02}.txt", i)));
  return text;
}

std::map<std::string, double> bytes_per_second;  // by benchmark, for the ratio

template <typename Encode>
void measure(benchmark::State& state, const std::string& text, const Encode& encode) {
  std::size_t tokens = 0;
  for ([[maybe_unused]] auto step : state) tokens = encode(text);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

// Keeps what the reporter shows, for the ratio at the end.
class Reporter : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const auto rate = run.counters.find("bytes_per_second");
      if (rate != run.counters.end()) bytes_per_second[run.benchmark_name()] = rate->second;
    }
    ConsoleReporter::ReportRuns(runs);
  }
};

void add_ours(const std::string& name, const std::filesystem::path& model, const std::string& text_name,
              const std::string& text) {
  const auto tokenizer = std::make_shared<Tokenizer>(Tokenizer::for_model(model));
  benchmark::RegisterBenchmark((name + "/" + text_name).c_str(), [=](benchmark::State& state) {
    measure(state, text, [&](const std::string& all) { return tokenizer->encode(all, false).size(); });
  });
  // Tokenizers that have seen no word yet: what one run of the program pays, loading left out.
  benchmark::RegisterBenchmark((name + "/" + text_name + "/cold").c_str(), [=](benchmark::State& state) {
    std::vector<Tokenizer> fresh;
    for (int i = 0; i < kColdRuns; ++i) fresh.push_back(Tokenizer::for_model(model));
    std::size_t next = 0;
    measure(state, text, [&](const std::string& all) { return fresh.at(next++).encode(all, false).size(); });
  })->Iterations(kColdRuns);
}

// Line by line, as the library is used: it looks at a whole text at once, and slows down with its length.
void add_library(const std::filesystem::path& model, const std::string& text_name, const std::string& text) {
  const auto processor = std::make_shared<sentencepiece::SentencePieceProcessor>();
  if (!processor->Load(model.string()).ok()) return;
  benchmark::RegisterBenchmark(
      ("libsentencepiece-llama2/" + text_name).c_str(), [=](benchmark::State& state) {
        measure(state, text, [&](const std::string& all) {
          std::size_t tokens = 0;
          for (std::size_t at = 0; at < all.size();) {
            const std::size_t end = std::min(all.find('\n', at), all.size());
            tokens += processor->EncodeAsIds(std::string_view(all).substr(at, end - at)).size();
            at = end + 1;
          }
          return tokens;
        });
      });
}

void register_all() {
  std::map<std::string, std::string> texts = {{"tales", tales()}};
  if (const auto path = test::shared_data("third-party/texts/sherlock.txt"))
    texts["sherlock"] = read_file(*path);
  for (const auto& [text_name, text] : texts) {
    add_ours("nano-json", test::repo_path("models/llama-nano"), text_name, text);
    for (const auto& [name, file] : {std::pair{"qwen2-gguf", "ggml-vocab-qwen2.gguf"},
                                     std::pair{"llama3-gguf", "ggml-vocab-llama-bpe.gguf"},
                                     std::pair{"llama2-gguf", "ggml-vocab-llama-spm.gguf"}})
      if (const auto path = test::shared_data(std::string("third-party/tokenizers/") + file))
        add_ours(name, *path, text_name, text);
    if (const auto path = test::shared_data("third-party/tokenizers/llama2-tokenizer.model"))
      add_library(*path, text_name, text);
  }
}

void print_ratios() {
  for (const auto& [name, rate] : bytes_per_second) {
    const std::string text = name.substr(name.find('/') + 1);
    const auto peer = bytes_per_second.find("libsentencepiece-llama2/" + text.substr(0, text.find('/')));
    fmt::print("{:<36} {:8.2f} MB/s", name, rate / 1e6);
    if (peer != bytes_per_second.end()) fmt::print("  {:6.2f} times libsentencepiece", rate / peer->second);
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace strata

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  strata::register_all();
  strata::Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  strata::print_ratios();
  return 0;
}
