#include "strata/engine/engine.h"

#include <torch/version.h>

namespace strata {
namespace {

const Engine kEngine{.measure = measure, .libtorch_version = [] { return std::string(TORCH_VERSION); }};

}  // namespace
}  // namespace strata

extern "C" [[gnu::visibility("default")]] const strata::Engine* strata_engine() {
  return &strata::kEngine;
}
