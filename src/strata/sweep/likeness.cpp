#include "strata/sweep/likeness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <utility>

#include "strata/base/error.h"

namespace strata {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Norms and biases are left out: those of unrelated models are alike (all near 1, all positive).
constexpr std::pair<Role, const char*> kMatrices[] = {
    {Role::query, "query"},
    {Role::key, "key"},
    {Role::value, "value"},
    {Role::attention_output, "output"},
    {Role::gate, "gate"},
    {Role::up, "up"},
    {Role::down, "down"},
    {Role::delta_qkv, "delta rule's qkv"},
    {Role::delta_output, "delta rule's output"},
    {Role::router, "router"},
    {Role::expert_up, "experts' up"},
    {Role::expert_down, "experts' down"},
};

// Sums of products of the rows, each less its mean.
struct Products {
  double aa = 0.0, bb = 0.0, ab = 0.0;

  void add(std::span<const float> a, std::span<const float> b) {
    double mean_a = 0.0, mean_b = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      mean_a += a[i];
      mean_b += b[i];
    }
    mean_a /= static_cast<double>(a.size());
    mean_b /= static_cast<double>(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double x = a[i] - mean_a, y = b[i] - mean_b;
      aa += x * x;
      bb += y * y;
      ab += x * y;
    }
  }
  [[nodiscard]] double correlation() const {
    return aa > 0.0 && bb > 0.0 ? ab / std::sqrt(aa * bb) : kUndefined;
  }
};

double correlation(const Checkpoint& original, const Checkpoint& other, Role role, int layer) {
  std::vector<float> a(original.element_count(role)), b(a.size());
  original.load(role, layer, a);
  other.load(role, layer, b);
  const auto columns = static_cast<std::size_t>(original.shape(role).back());
  Products products;
  for (std::size_t at = 0; at < a.size(); at += columns)
    products.add(std::span(a).subspan(at, columns), std::span(b).subspan(at, columns));
  return products.correlation();
}

double median_of(const Likeness& likeness) {
  std::vector<double> values;
  for (const MatrixLikeness& matrix : likeness.matrices) {
    if (!std::isnan(matrix.correlation)) values.push_back(matrix.correlation);
  }
  if (values.empty()) return kUndefined;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Likeness weight_likeness(const Checkpoint& original, const Checkpoint& other) {
  const int last = std::min(original.config().n_layers, other.config().n_layers) - 1;
  Likeness likeness;
  for (const int layer : std::set<int>{0, last / 2, last}) {
    for (const auto& [role, name] : kMatrices) {
      if (!original.has(role, layer) || !other.has(role, layer)) continue;
      if (original.shape(role) != other.shape(role)) continue;
      likeness.matrices.push_back(
          {fmt::format("{} of block {}", name, layer), correlation(original, other, role, layer)});
    }
  }
  if (likeness.matrices.empty() && original.shape(Role::embedding) == other.shape(Role::embedding))
    likeness.matrices.push_back({"embedding", correlation(original, other, Role::embedding, 0)});
  likeness.median = median_of(likeness);
  return likeness;
}

void require_likeness(const Checkpoint& original, const Checkpoint& other, const Likeness& likeness) {
  if (likeness.median >= kLeastLikeness) return;
  const std::string where = fmt::format("{} and {}", original.path().string(), other.path().string());
  if (likeness.matrices.empty() || std::isnan(likeness.median)) {
    throw Error(ErrorKind::usage, {.where = where,
                                   .found = "no matrix that could be compared",
                                   .expected = "two versions of one model, with matrices of one shape"});
  }
  throw Error(
      ErrorKind::usage,
      {.where = where,
       .found = fmt::format("weights of two models: their median correlation over {} matrices is {:.2f}",
                            likeness.matrices.size(), likeness.median),
       .expected = fmt::format("two versions of one model (at least {:g})", kLeastLikeness),
       .hint = "strata analyze both, and strata compare the two runs"});
}

}  // namespace strata
