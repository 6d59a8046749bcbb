// The pipelines that transformers writes for SentencePiece BPE: Llama 2's, and Metaspace of newer files.
#include <string>

#include "strata/tokenizer/tokenizer_file_parts.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

const std::string& require(const JsonView& component, const char* key, std::string_view wanted) {
  const JsonView value = component.at(key);
  if (value.string() != wanted)
    value.unsupported(std::string(key) + " " + in_quotes(value.string()), in_quotes(wanted));
  return value.string();
}

// Normalizer: Prepend the mark (if at all), then Replace spaces by marks, in this order.
class NormalizerReader {
 public:
  void read(const JsonView& component) {
    const std::string type = component.at("type").string();
    if (type == "Sequence") {
      for (const JsonView& part : component.at("normalizers").elements()) read(part);
    } else if (type == "Prepend") {
      if (prepends || replaces) component.unsupported("a second step Prepend", "Prepend, then Replace");
      (void)require(component, "prepend", kSpaceMark);
      prepends = true;
    } else if (type == "Replace") {
      if (replaces) component.unsupported("a second step Replace", "Prepend, then Replace");
      (void)require(component.at("pattern"), "String", " ");
      (void)require(component, "content", kSpaceMark);
      replaces = true;
    } else {
      component.at("type").unsupported("normalizer " + in_quotes(type), "\"Prepend\" and \"Replace\"");
    }
  }

  bool prepends = false;
  bool replaces = false;
};

SpacePrefix read_metaspace(const JsonView& component) {
  const JsonView type = component.at("type");
  if (type.string() != "Metaspace")
    type.unsupported("pre_tokenizer " + in_quotes(type.string()), "\"Metaspace\" or none");
  (void)require(component, "replacement", kSpaceMark);
  // Absent means true: tokenizers' default cuts the text at every space.
  if (!component.has("split") || component.at("split").boolean())
    component.unsupported("Metaspace with split", "\"split\": false");
  if (!component.has("prepend_scheme")) return SpacePrefix::every_spaceless;
  const JsonView scheme = component.at("prepend_scheme");
  if (scheme.string() == "always") return SpacePrefix::every_spaceless;
  if (scheme.string() != "first")
    scheme.unsupported("prepend_scheme " + in_quotes(scheme.string()), "\"first\" or \"always\"");
  return SpacePrefix::first_spaceless;
}

void check_decoder(const JsonView& component) {
  const JsonView type = component.at("type");
  if (type.string() == "Sequence") {
    for (const JsonView& part : component.at("decoders").elements()) check_decoder(part);
  } else if (type.string() == "Replace") {
    (void)require(component.at("pattern"), "String", kSpaceMark);
    (void)require(component, "content", " ");
  } else if (type.string() == "Strip") {
    (void)require(component, "content", " ");
  } else if (type.string() == "Metaspace") {
    (void)require(component, "replacement", kSpaceMark);
  } else if (type.string() != "ByteFallback" && type.string() != "Fuse") {
    type.unsupported("decoder " + in_quotes(type.string()),
                     "\"Replace\", \"ByteFallback\", \"Fuse\", \"Strip\" or \"Metaspace\"");
  }
}

}  // namespace

void read_character_pipeline(const JsonView& root, TokenizerFile& file) {
  NormalizerReader normalizer;
  if (root.has("normalizer")) normalizer.read(root.at("normalizer"));
  if (!root.has("pre_tokenizer")) {
    if (!normalizer.replaces)
      root.unsupported("byte_fallback without \"Replace\" or \"Metaspace\"", "spaces written as U+2581");
    file.space_prefix = normalizer.prepends ? SpacePrefix::every_stretch : SpacePrefix::none;
    return;
  }
  if (normalizer.prepends || normalizer.replaces)
    root.at("pre_tokenizer")
        .unsupported("a pre_tokenizer behind \"Prepend\" or \"Replace\"", "one of the two");
  file.space_prefix = read_metaspace(root.at("pre_tokenizer"));
}

void read_character_decoder(const JsonView& root) {
  if (root.has("decoder")) check_decoder(root.at("decoder"));  // ids need none
}

}  // namespace strata
