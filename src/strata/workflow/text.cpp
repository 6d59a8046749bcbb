#include "strata/workflow/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/gguf/gguf.h"
#include "strata/tokenizer/read_directory.h"

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

Tokenizer open_given(const std::filesystem::path& path) {
  std::error_code unreadable;
  if (std::filesystem::exists(path, unreadable)) return Tokenizer::from_path(path);
  throw Error(ErrorKind::usage,
              {.option = "tokenizer",
               .found = path.string() + ", which is not there",
               .expected = "a folder, a tokenizer.json, tokenizer.model or vocab.json, or a GGUF file"});
}

// Every unusable tokenizer has the same ways out.
Tokenizer open_own(const Checkpoint& checkpoint) {
  try {
    return Tokenizer::for_model(checkpoint.path());
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported && error.kind() != ErrorKind::bad_file) throw;
    Problem problem = error.problem();
    if (!problem.hint.empty()) problem.hint += "; or ";
    problem.hint += "give another tokenizer with --tokenizer, or token ids (.npy) with --file";
    throw Error(error.kind(), problem);
  }
}

Tokenizer open_tokenizer(const Checkpoint& checkpoint, const std::filesystem::path& given) {
  return given.empty() ? open_own(checkpoint) : open_given(given);
}

// A tokenizer may have more tokens than the embedding has rows (padding, tokens for images): only a text that
// uses one of them cannot be computed.
void check_ids(const Corpus& corpus, const Tokenizer& tokenizer, std::int32_t vocab) {
  if (tokenizer.vocab_size() <= vocab) return;
  for (const Window& window : corpus.windows) {
    const auto beyond =
        std::find_if(window.ids.begin(), window.ids.end(), [&](std::int32_t id) { return id >= vocab; });
    if (beyond == window.ids.end()) continue;
    throw Error(
        ErrorKind::bad_file,
        {.where = corpus.documents[static_cast<std::size_t>(window.document)].name,
         .found = fmt::format("token {} (\"{}\")", *beyond, tokenizer.token_bytes(*beyond)),
         .expected = fmt::format("tokens below {}, the rows of the model's embedding", vocab),
         .hint = fmt::format("take it out of the text, or is {} of another model?", tokenizer.where())});
  }
}

}  // namespace

std::optional<Tokenizer> find_tokenizer(const Checkpoint& checkpoint, const std::filesystem::path& given) {
  const auto& path = checkpoint.path();
  if (given.empty() && std::filesystem::is_directory(path)) {
    if (!has_tokenizer(path)) return std::nullopt;
  } else if (given.empty()) {
    const MappedFile file(path);
    if (!parse_gguf(file.bytes(), path.string()).metadata.has("tokenizer.ggml.model")) return std::nullopt;
  }
  return open_tokenizer(checkpoint, given);
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
  loaded.tokenizer = open_tokenizer(checkpoint, options.tokenizer);
  if (!config.eos_ids.empty() && loaded.tokenizer->has_token(config.eos_ids[0])) {
    cut.end_of_text = loaded.tokenizer->token_bytes(config.eos_ids[0]);
  }
  auto name = std::filesystem::absolute(path).lexically_normal();
  if (name.filename().empty()) name = name.parent_path();
  loaded.corpus =
      make_corpus(read_documents(path, cut.end_of_text), name.filename().string(), *loaded.tokenizer, cut);
  check_ids(loaded.corpus, *loaded.tokenizer, config.vocab);
  return loaded;
}

}  // namespace strata
