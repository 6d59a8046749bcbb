// What a text may come as: prose, JSON, token ids, compressed.
#include <array>
#include <string>

#include "fuzz/expect.h"
#include "fuzz/targets.h"
#include "strata/corpus/read_documents.h"
#include "strata/tokenizer/utf8.h"

namespace strata::fuzz {
namespace {

struct Form {
  const char *name, *key, *dtype, *format;
};

// By the input's first byte: how the user calls it.
constexpr std::array<Form, 8> kForms = {{{"a.txt", "", "", ""},
                                         {"a.jsonl", "", "", ""},
                                         {"a.json", "a.b", "", ""},
                                         {"a.npy", "", "", ""},
                                         {"a.bin", "", "uint16", ""},
                                         {"a.bin", "", "int64", ""},
                                         {"a", "", "", "text"},
                                         {"a.txt.gz", "text", "", "json"}}};

}  // namespace

void texts(std::string_view input) {
  if (input.empty()) return;
  const Form& form = kForms[static_cast<unsigned char>(input[0]) % kForms.size()];
  const ReadOptions options{.end_of_text = [] { return std::string("<e>"); },
                            .text_key = form.key,
                            .text_format = form.format,
                            .ids_dtype = form.dtype,
                            .limit_bytes = 1 << 20};
  expect_error_at_most([&] {
    const auto remarks =
        read_document_bytes(std::string(input.substr(1)), form.name, options, [](RawDocument&& document) {
          FUZZ_REQUIRE(!document.name.empty());
          FUZZ_REQUIRE(!invalid_utf8_offset(document.text));
          FUZZ_REQUIRE(document.ids || !document.text.empty());
        });
    for (const std::string& note : remarks.notes) require_printable(note);
    for (const std::string& warning : remarks.warnings) require_printable(warning);
  });
}

}  // namespace strata::fuzz
