#include "strata/tokenizer/sentencepiece_processor.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <optional>

#include "strata/base/error.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

// Why `call`, which returns a Status, failed; nothing when it did not. The library reports most failures by
// its Status and a few by an exception.
template <typename Call>
std::optional<std::string> failure_of(Call&& call) {
  try {
    const sentencepiece::util::Status status = call();
    if (status.ok()) return std::nullopt;
    return status.ToString();
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace

// The library takes views as pointer and size: upstream has a string_view of its own, Debian the standard
// one.
SentencePieceProcessor::SentencePieceProcessor(std::string_view bytes, const std::string& where)
    : where_(where), library_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  if (const auto reason = failure_of([&] {
        return library_->LoadFromSerializedProto({bytes.data(), bytes.size()});
      })) {
    throw Error(ErrorKind::bad_file, {.where = where,
                                      .found = "libsentencepiece says " + in_quotes(*reason),
                                      .expected = "a SentencePiece model",
                                      .hint = "is the file complete?"});
  }
}

SentencePieceProcessor::~SentencePieceProcessor() = default;
SentencePieceProcessor::SentencePieceProcessor(SentencePieceProcessor&&) noexcept = default;
SentencePieceProcessor& SentencePieceProcessor::operator=(SentencePieceProcessor&&) noexcept = default;

std::int32_t SentencePieceProcessor::size() const {
  return library_->GetPieceSize();
}
const std::string& SentencePieceProcessor::piece(std::int32_t id) const {
  return library_->IdToPiece(id);
}
bool SentencePieceProcessor::is_control(std::int32_t id) const {
  return library_->IsControl(id);
}
bool SentencePieceProcessor::is_unknown(std::int32_t id) const {
  return library_->IsUnknown(id);
}
bool SentencePieceProcessor::is_byte(std::int32_t id) const {
  return library_->IsByte(id);
}
std::int32_t SentencePieceProcessor::bos_id() const {
  return library_->bos_id();
}
std::int32_t SentencePieceProcessor::eos_id() const {
  return library_->eos_id();
}

void SentencePieceProcessor::encode(std::string_view text, std::vector<std::int32_t>& ids) const {
  std::vector<int> pieces;
  if (const auto reason = failure_of([&] { return library_->Encode({text.data(), text.size()}, &pieces); })) {
    throw Error(ErrorKind::unsupported,
                {.where = where_, .found = "libsentencepiece says " + in_quotes(*reason)});
  }
  ids.insert(ids.end(), pieces.begin(), pieces.end());
}

}  // namespace strata
