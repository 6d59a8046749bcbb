// A pool of per-thread scratch, so that buffers are not allocated again for every window.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

namespace strata {

template <class T>
class ScratchPool {
 public:
  /// Gives its scratch back when it goes out of scope.
  class Lease {
   public:
    Lease(ScratchPool& pool, std::unique_ptr<T> item) : pool_(pool), item_(std::move(item)) {}
    ~Lease() {
      if (item_) pool_.give_back(std::move(item_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    T& operator*() { return *item_; }
    T* operator->() { return item_.get(); }

   private:
    ScratchPool& pool_;
    std::unique_ptr<T> item_;
  };

  [[nodiscard]] Lease lease() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return {*this, std::make_unique<T>()};
    auto item = std::move(free_.back());
    free_.pop_back();
    return {*this, std::move(item)};
  }

 private:
  void give_back(std::unique_ptr<T> item) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(item));
  }
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

}  // namespace strata
