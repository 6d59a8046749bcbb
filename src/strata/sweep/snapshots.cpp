#include "strata/sweep/snapshots.h"

#include <algorithm>
#include <utility>

#include "strata/base/error.h"
#include "strata/sweep/clean_sweep.h"

namespace strata {
namespace {

constexpr double kLeastSeconds = 20.0;  // between two snapshots of a phase, before any cost is known

}  // namespace

Snapshots::Snapshots(std::filesystem::path directory, std::string key, const Checkpoint& checkpoint,
                     double share)
    : directory_(std::move(directory)), key_(std::move(key)), checkpoint_(checkpoint), share_(share) {}

std::filesystem::path Snapshots::path(const std::string& name) const {
  return directory_ / (name + ".snapshot");
}

void Snapshots::persist_all(Archive& archive, const Persist& persist) {
  std::vector<std::string> digests = checkpoint_.tensor_digests();
  archive.sized(digests);
  if (archive.reading()) checkpoint_.expect_digests(digests);
  std::vector<float> constants = checkpoint_.constant_values();
  archive.sized(constants);
  if (archive.reading()) checkpoint_.know_constants(constants);
  persist(archive);
  archive.finish();
}

bool Snapshots::load(const std::string& name, const Persist& persist) {
  if (!std::filesystem::exists(path(name))) return false;
  Archive archive(path(name), key_ + name, Archive::Direction::read);
  persist_all(archive, persist);
  return true;
}

void Snapshots::save(const std::string& name, const Persist& persist) {
  const auto start = Clock::now();
  Archive archive(path(name), key_ + name, Archive::Direction::write);
  persist_all(archive, persist);
  last_ = Clock::now();
  cost_ = std::chrono::duration<double>(last_ - start).count();
}

void Snapshots::save_when_due(const std::string& name, const Persist& persist) {
  if (!(share_ > 0.0)) return;
  const double since = std::chrono::duration<double>(Clock::now() - last_).count();
  const bool due = since >= kLeastSeconds && since * share_ >= cost_;
  if (due || share_ >= 1.0) save(name, persist);
}

void Snapshots::remove(const std::string& name) {
  std::error_code absent;
  std::filesystem::remove(path(name), absent);
}

void report_and_save(const Progress& progress, const ProgressEvent& event, Snapshots* snapshots,
                     const std::string& name, const Snapshots::Persist& persist) {
  if (snapshots == nullptr) return report_progress(progress, event);
  snapshots->save_when_due(name, persist);
  try {
    report_progress(progress, event);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) snapshots->save(name, persist);
    throw;
  }
}

}  // namespace strata
