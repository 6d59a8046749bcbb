// OpenSSL's own SHA-256 functions. Its EVP functions would link every algorithm it has, 4 MB. OpenSSL 3 marks
// the older functions as deprecated; this macro asks for the interface of version 1.1, where they are not.
#define OPENSSL_API_COMPAT 0x10100000L

#include "strata/base/sha256.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <array>

#include "strata/base/error.h"

namespace strata {

struct Sha256::Impl {
  SHA256_CTX context;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  STRATA_CHECK(SHA256_Init(&impl_->context) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::byte> bytes) {
  STRATA_CHECK(SHA256_Update(&impl_->context, bytes.data(), bytes.size()) == 1);
}

void Sha256::update(std::string_view text) {
  update(std::as_bytes(std::span(text.data(), text.size())));
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  STRATA_CHECK(SHA256_Final(digest.data(), &impl_->context) == 1);
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::string sha256_hex(std::string_view text) {
  Sha256 digest;
  digest.update(text);
  return digest.hex();
}

}  // namespace strata
