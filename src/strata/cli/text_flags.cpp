#include "strata/cli/text_flags.h"

#include <fmt/format.h>

#include "strata/cli/number_option.h"
#include "strata/cli/say.h"
#include "strata/cli/terminal.h"

namespace strata {

void add_text_flags(CLI::App& command, TextOptions& text, const std::string& begin) {
  command
      .add_option_function<std::vector<std::string>>(
          "-f,--file",
          [&text](const std::vector<std::string>& paths) {
            text.path = paths.front();
            text.more_paths.assign(paths.begin() + 1, paths.end());
          },
          begin +
              "UTF-8 text, JSON lines, a JSON list or token ids (.npy), as a file, a folder, or - for "
              "standard "
              "input; may be given several times (default: the tales that come with strata)")
      ->allow_extra_args(false);
  command.add_flag("-r,--recursive", text.recursive, begin + "Read the folders inside a folder, too");
  command.add_option("--text-key", text.text_key,
                     begin +
                         "Where a JSON record has its text, like body or meta.body (default: text, messages "
                         "or input_ids)");
  command
      .add_option(
          "--text-format", text.text_format,
          begin + "auto (by content), text (as it is) or json, for files that look like something else")
      ->check(CLI::IsMember({"auto", "text", "json", "jsonl"}))
      ->default_str("auto");
  command
      .add_option("--ids-dtype", text.ids_dtype, begin + "Files are token ids without a header, of this type")
      ->check(CLI::IsMember({"uint8", "uint16", "uint32", "int32", "int64"}));
  command
      .add_option_function<std::string>(
          "--pack",
          [&text](const std::string& mode) {
            text.pack = mode.empty() ? "separate" : mode;
            (void)parse_packing(text.pack);
          },
          begin +
              "Pack documents shorter than a window: separate (each with its own BOS, attention inside it; "
              "the default of the flag) or concatenated")
      ->expected(0, 1);
  command.add_option(
      "--tokenizer", text.tokenizer,
      begin + "Instead of the model's own: folder, tokenizer.json, tokenizer.model, vocab.json or GGUF");
  add_number(command, "-c,--ctx-size", text.context, 1, kMostOfAnything,
             begin + "Longest window in tokens (default: 512 or the model's limit)", false);
  add_number(command, "--chunks", text.chunks, 1, kMostOfAnything,
             begin + "At most this many windows, taken in turn from the documents", false);
  add_number(command, "--limit", text.limit, 1, kMostOfAnything, begin + "At most this many documents",
             false);
}

std::vector<const char*> text_flag_names() {
  return {"--file", "--recursive", "--text-key", "--text-format", "--ids-dtype",
          "--pack", "--tokenizer", "--ctx-size", "--chunks",      "--limit"};
}

void print_text_remarks(const Corpus& corpus, bool quiet) {
  if (!quiet) {
    say("{}\n", text_line(corpus.name, corpus.documents.size(), corpus.windows.size(), corpus.token_count(),
                          corpus.bos_policy));
    for (const std::string& note : corpus.notes) say("note: {}\n", note);
  }
  for (const std::string& warning : corpus.warnings) say("warning: {}\n", warning);
}

}  // namespace strata
