#include "strata/workflow/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/gguf/gguf.h"

namespace strata {
namespace {

constexpr int kDefaultContext = 512;

int chosen_context(const ModelConfig& config, int asked) {
  const int limit = static_cast<int>(std::min<std::int64_t>(config.max_context, 1 << 30));
  if (asked == 0) return std::min(kDefaultContext, limit);
  if (asked < kMinWindowTokens || asked > limit) {
    throw Error(ErrorKind::usage,
                {.option = "context",
                 .found = fmt::format("{} tokens", asked),
                 .expected = fmt::format("{} to {}, the model's limit", kMinWindowTokens, limit)});
  }
  return asked;
}

}  // namespace

std::optional<Tokenizer> find_tokenizer(const Checkpoint& checkpoint) {
  const auto& path = checkpoint.path();
  if (std::filesystem::is_directory(path)) {
    if (!std::filesystem::exists(path / "tokenizer.json") &&
        !std::filesystem::exists(path / "tokenizer.model"))
      return std::nullopt;
  } else {
    const MappedFile file(path);
    if (!parse_gguf(file.bytes(), path.string()).metadata.has("tokenizer.ggml.model")) return std::nullopt;
  }
  return Tokenizer::for_model(path);
}

LoadedText load_text(const Checkpoint& checkpoint, const TextOptions& options) {
  const ModelConfig& config = checkpoint.config();
  CorpusOptions cut{
      .context = chosen_context(config, options.context), .chunks = options.chunks, .limit = options.limit};
  const std::filesystem::path& path = options.path;
  LoadedText loaded;
  if (path.extension() == ".npy") {
    loaded.corpus = corpus_from_ids(path, config.vocab, cut);
    return loaded;
  }
  loaded.tokenizer = Tokenizer::for_model(checkpoint.path());
  if (loaded.tokenizer->vocab_size() > config.vocab) {
    throw Error(ErrorKind::bad_file,
                {.where = loaded.tokenizer->where(),
                 .found = fmt::format("{} token ids", loaded.tokenizer->vocab_size()),
                 .expected = fmt::format("at most the model's vocabulary of {}", config.vocab),
                 .hint = "the tokenizer belongs to another model"});
  }
  if (!config.eos_ids.empty() && config.eos_ids[0] < loaded.tokenizer->vocab_size()) {
    cut.end_of_text = loaded.tokenizer->token_bytes(config.eos_ids[0]);
  }
  auto name = std::filesystem::absolute(path).lexically_normal();
  if (name.filename().empty()) name = name.parent_path();
  loaded.corpus =
      make_corpus(read_documents(path, cut.end_of_text), name.filename().string(), *loaded.tokenizer, cut);
  return loaded;
}

}  // namespace strata
