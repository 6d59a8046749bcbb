// Architectures that strata does not compute, and what computing them would need.
#pragma once

#include <string>
#include <string_view>

namespace strata {

/// By model_type or class of transformers, or llama.cpp's name: "it needs ..., which strata does not
/// compute". For a name that is not known here, that strata does not compute the model and which page says
/// how one is added.
[[nodiscard]] std::string what_it_needs(std::string_view name);

}  // namespace strata
