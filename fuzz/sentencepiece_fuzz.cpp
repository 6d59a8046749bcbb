// tokenizer.model and the tokenizer_config.json beside it.
#include <string>
#include <vector>

#include "fuzz/expect.h"
#include "fuzz/targets.h"
#include "strata/tokenizer/engine.h"
#include "strata/tokenizer/sentencepiece_model.h"

namespace strata::fuzz {
namespace {

constexpr std::string_view kTexts[] = {"a", "  ab  c", "\u00e9\u2581\U0001f600\n<s>",
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

void use(const TokenizerFile& file) {
  const auto engine = make_engine(file, "tokenizer.model");
  for (const std::string_view text : kTexts) {
    for (const bool at_start : {false, true}) {
      std::vector<std::int32_t> ids;
      engine->encode(text, at_start, ids);
      for (const std::int32_t id : ids) FUZZ_REQUIRE(id >= 0 && id < file.vocab_size);
    }
  }
  for (const AddedToken& added : file.added)
    FUZZ_REQUIRE(added.id >= 0 && added.id < file.vocab_size && !added.content.empty());
}

}  // namespace

void sentencepiece(std::string_view input) {
  if (input.starts_with('{')) {
    return expect_error_at_most([&] { (void)parse_tokenizer_config(input, "tokenizer_config.json"); });
  }
  for (const bool legacy : {false, true}) {
    expect_error_at_most(
        [&] { use(read_sentencepiece(input, {.add_bos = false, .legacy = legacy}, "tokenizer.model")); });
  }
}

}  // namespace strata::fuzz
