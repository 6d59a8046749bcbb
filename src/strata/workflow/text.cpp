#include "strata/workflow/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/checkpoint/weight_files.h"
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

// Swapped arguments would otherwise be measured as prose, or fail as a text.
void refuse_model_as_text(const std::filesystem::path& path) {
  std::error_code unreadable;
  const bool directory = std::filesystem::exists(path / "config.json", unreadable) && has_weights(path);
  if (!directory && !is_gguf_file(path) && path.extension() != ".safetensors") return;
  throw Error(ErrorKind::usage, {.where = path.string(),
                                 .found = "a model",
                                 .expected = "a text",
                                 .hint = "the model comes first (or with -m), the text with -f"});
}

// A layer that slides sees `window` tokens, and full attention is the same up to there only.
int within_window(const ModelConfig& config, int context, bool asked) {
  if (config.window == 0 || context <= config.window) return context;
  if (!asked && config.window >= kMinWindowTokens) return static_cast<int>(config.window);
  throw Error(
      ErrorKind::unsupported,
      {.option = "context",
       .found = fmt::format("{} tokens, and the model's sliding window of {}", context, config.window),
       .expected = "windows of text that are no longer",
       .hint = "strata computes full attention, which is the same up to there"});
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
    const GgufHeader header = parse_gguf(file.bytes(), path.string());
    const auto kind = header.metadata.find_string("tokenizer.ggml.model");
    if (!kind || *kind == "no_vocab" || *kind == "none") return std::nullopt;
  }
  return Tokenizer::for_model(path);
}

LoadedText load_text(const Checkpoint& checkpoint, const TextOptions& options) {
  const ModelConfig& config = checkpoint.config();
  CorpusOptions cut{
      .context = within_window(config, chosen_context(config, options.context), options.context != 0),
      .chunks = options.chunks,
      .limit = options.limit};
  const std::filesystem::path& path = options.path;
  refuse_model_as_text(path);
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
