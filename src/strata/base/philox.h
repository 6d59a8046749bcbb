// Counter-based random numbers: the value depends on the key and the counter alone, so no result
// depends on threads, order or batching. Philox4x32-10, Salmon et al., SC'11,
// doi:10.1145/2063384.2063405.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace strata {

/// What a stream of random numbers is for; streams with different purposes never overlap.
enum class Stream : std::uint32_t {
  noise = 1,
  positions = 2,
  half_sample = 3,
  surrogate = 4,
  bootstrap = 5,
  documents = 6,
  labels = 7,
  permutation = 8,
  planted = 20,
  null_model = 21,
  shuffled_text = 22,
  test = 100,
};

/// The key and the upper counter words of a stream. The fields mean what the caller says
/// (for noise: state, document, position and repeat).
struct StreamKey {
  std::uint64_t seed = 0;
  Stream stream = Stream::test;
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

[[nodiscard]] std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                      std::array<std::uint32_t, 2> key);

/// A sequential generator over one stream. Copyable; equal keys give equal sequences.
class Philox {
 public:
  explicit Philox(const StreamKey& key);
  std::uint32_t next_u32();
  std::uint64_t next_u64();
  /// Uniform in (0, 1), 53 bits, never 0 or 1.
  double uniform();
  /// Uniform integer in [0, n), unbiased. n > 0.
  std::uint64_t below(std::uint64_t n);
  /// Standard normal (Box-Muller, pairs).
  double normal();
  /// Fills `out` with standard normals.
  void fill_normal(std::span<float> out);

 private:
  std::array<std::uint32_t, 4> counter_{};
  std::array<std::uint32_t, 2> key_{};
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  double spare_ = 0.0;
  bool has_spare_ = false;
};

/// Shuffles `items` in place (Fisher-Yates).
void shuffle(std::span<std::uint32_t> items, Philox& rng);

}  // namespace strata
