#include "strata/workflow/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/checkpoint/weight_files.h"
#include "strata/gguf/gguf.h"
#include "strata/tokenizer/read_directory.h"

namespace strata {
namespace {

constexpr int kDefaultContext = 512;

int chosen_context(const ModelConfig& config, int asked) {
  const int limit = static_cast<int>(std::min<std::int64_t>(config.max_context, 1 << 30));
  return asked == 0 ? std::min(kDefaultContext, limit) : asked;
}

// A longer window is computed like any other; that the model has never seen one must be known.
void note_long_windows(const ModelConfig& config, Corpus& corpus) {
  std::size_t longest = 0;
  for (const Window& window : corpus.windows) longest = std::max(longest, window.ids.size());
  if (static_cast<std::int64_t>(longest) <= config.max_context) return;
  corpus.warnings.push_back(
      fmt::format("windows of {} tokens, {} more than the model's context of {}: it was not trained on such "
                  "positions",
                  longest, static_cast<std::int64_t>(longest) - config.max_context, config.max_context));
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

// Where a file does not say which blocks have its sliding window: up to there none makes a difference.
int within_window(const ModelConfig& config, int context, bool asked) {
  const std::int64_t limit = text_limit(config);
  if (limit == 0 || context <= limit) return context;
  if (!asked && limit >= kMinWindowTokens) return static_cast<int>(limit);
  throw Error(ErrorKind::unsupported,
              {.option = "context",
               .found = fmt::format("{} tokens, and the model's sliding window of {}", context, limit),
               .expected = "windows of text that are no longer",
               .hint = "the file does not say which blocks slide, and up to there none makes a difference"});
}

}  // namespace

std::optional<Tokenizer> find_tokenizer(const Checkpoint& checkpoint, const std::filesystem::path& given) {
  const auto& path = checkpoint.path();
  if (given.empty() && std::filesystem::is_directory(path)) {
    if (!has_tokenizer(path)) return std::nullopt;
  } else if (given.empty()) {
    const MappedFile file(path);
    const GgufHeader header = parse_gguf(file.bytes(), path.string());
    const auto kind = header.metadata.find_string("tokenizer.ggml.model");
    if (!kind || *kind == "no_vocab" || *kind == "none") return std::nullopt;
  }
  return open_tokenizer(checkpoint, given);
}

LoadedText load_text(const Checkpoint& checkpoint, const TextOptions& options) {
  const ModelConfig& config = checkpoint.config();
  const CorpusOptions cut{
      .context = within_window(config, chosen_context(config, options.context), options.context != 0),
      .chunks = options.chunks,
      .limit = options.limit,
      .packing = parse_packing(options.pack),
      .groups = options.groups,
      .memory_bytes = options.memory_bytes};
  LoadedText loaded;
  // Token ids need no tokenizer: it is read when the first text comes.
  const auto tokenizer = [&]() -> const Tokenizer& {
    if (loaded.tokenizer) return *loaded.tokenizer;
    loaded.tokenizer = open_tokenizer(checkpoint, options.tokenizer);
    return *loaded.tokenizer;
  };
  ReadOptions read{.paths = {options.path},
                   .end_of_text =
                       [&] {
                         const Tokenizer& own = tokenizer();
                         const bool known = !config.eos_ids.empty() && own.has_token(config.eos_ids[0]);
                         return known ? own.token_bytes(config.eos_ids[0]) : std::string();
                       },
                   .text_key = options.text_key,
                   .text_format = options.text_format,
                   .ids_dtype = options.ids_dtype,
                   .recursive = options.recursive};
  read.paths.insert(read.paths.end(), options.more_paths.begin(), options.more_paths.end());
  for (const std::filesystem::path& path : read.paths) refuse_model_as_text(path);
  if (options.memory_bytes > 0) read.limit_bytes = std::min(read.limit_bytes, options.memory_bytes / 2);
  CorpusBuilder builder(text_name(read.paths), cut, config.vocab, tokenizer);
  ReadRemarks remarks = read_documents(read, [&](RawDocument&& document) {
    if (options.keep_texts && !document.ids) loaded.texts.push_back(document);
    builder.add(std::move(document));
  });
  loaded.corpus = builder.finish();
  note_long_windows(config, loaded.corpus);
  const auto add = [](std::vector<std::string>& to, std::vector<std::string>& from) {
    to.insert(to.begin(), from.begin(), from.end());
  };
  add(loaded.corpus.notes, remarks.notes);
  add(loaded.corpus.warnings, remarks.warnings);
  return loaded;
}

}  // namespace strata
