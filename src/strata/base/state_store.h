// Arrays of floats in numbered slots, all of them in memory or all of them in a temporary file that has no
// name. What was written is read back to the bit, so a run that spills cannot have other numbers than one
// that does not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace strata {

class Archive;

/// Where a StateStore keeps its slots.
struct StorePlace {
  bool spilled = false;
  std::filesystem::path directory = {};  ///< of the temporary file; empty: $TMPDIR, or /tmp
};

/// Different slots may be used by different threads at once. Move-only. A slot takes no memory (or disk)
/// before its first write and after drop(); reading it then is a bug of the caller.
class StateStore {
 public:
  StateStore() = default;
  /// `sizes`: floats of each slot. Throws Error(run_failed) naming the directory when the temporary file
  /// cannot be made.
  StateStore(std::span<const std::int64_t> sizes, const StorePlace& place);
  ~StateStore();
  StateStore(StateStore&& other) noexcept;
  StateStore& operator=(StateStore&& other) noexcept;
  StateStore(const StateStore&) = delete;
  StateStore& operator=(const StateStore&) = delete;

  [[nodiscard]] std::size_t slots() const { return size_.size(); }
  [[nodiscard]] std::int64_t size(std::size_t slot) const { return size_[slot]; }  ///< in floats
  [[nodiscard]] bool spilled() const { return fd_ >= 0; }
  [[nodiscard]] bool written(std::size_t slot) const { return written_[slot] != 0; }

  /// Makes a slot of zeros that threads may fill together.
  void open(std::size_t slot);
  /// Writes floats first .. first + values.size() of a slot; what was never written is 0. Throws
  /// Error(run_failed) in one line when the disk is full.
  void write(std::size_t slot, std::span<const float> values, std::int64_t first = 0);
  /// Reads floats first .. first + out.size() of a slot. Throws Error(run_failed).
  void read(std::size_t slot, std::span<float> out, std::int64_t first = 0) const;
  /// The whole slot to look at: in place where it is in memory, else read into `buffer`. Valid until the slot
  /// is written or dropped, or `buffer` used again.
  [[nodiscard]] const float* view(std::size_t slot, std::vector<float>& buffer) const;
  /// The whole slot to change in place; commit() with the same buffer makes the changes last.
  [[nodiscard]] float* edit(std::size_t slot, std::vector<float>& buffer);
  void commit(std::size_t slot, std::span<const float> buffer);
  /// Copies slot `from` into slot `to` of the same size.
  void copy(std::size_t from, std::size_t to);
  /// Gives a slot's memory or disk space back.
  void drop(std::size_t slot);

  /// Writes the store's content to an archive, or makes it what the archive holds, wherever it is kept.
  void persist(Archive& archive);

  /// Bytes written to and read from the temporary file so far, by all stores of the process.
  struct Traffic {
    std::uint64_t written = 0, read = 0;
  };
  [[nodiscard]] static Traffic traffic();

 private:
  void close() noexcept;
  std::vector<std::int64_t> size_;
  std::vector<char> written_;
  std::vector<std::vector<float>> memory_;  // per slot; empty when spilled
  std::vector<std::int64_t> offset_;        // of each slot in the file, in floats
  std::filesystem::path directory_;
  int fd_ = -1;
};

}  // namespace strata
