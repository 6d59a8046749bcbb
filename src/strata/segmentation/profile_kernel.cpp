#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/linalg/decompose.h"
#include "strata/segmentation/profile.h"

namespace strata {
namespace {

// Why this matrix cannot be used, or empty.
std::string problem_of(const Matrix& cka, std::size_t states) {
  if (cka.rows == 0) return "no CKA matrix";
  if (cka.rows != states || cka.cols != states) {
    return fmt::format("the CKA matrix is {} x {} instead of {} x {}", cka.rows, cka.cols, states, states);
  }
  if (!std::all_of(cka.data.begin(), cka.data.end(), [](double x) { return std::isfinite(x); })) {
    return "the CKA matrix has undefined entries";
  }
  return {};
}

// root * vectors, the first `coordinates` columns.
Matrix project(const Matrix& root, const Matrix& vectors, std::size_t coordinates) {
  Matrix z(root.rows, coordinates);
  for (std::size_t i = 0; i < root.rows; ++i) {
    for (std::size_t k = 0; k < root.cols; ++k) {
      for (std::size_t j = 0; j < coordinates; ++j) z(i, j) += root(i, k) * vectors(k, j);
    }
  }
  return z;
}

}  // namespace

std::string cka_problem(const CkaRecord& record, int n_layers) {
  std::string problem = problem_of(record.value, static_cast<std::size_t>(n_layers) + 1);
  if (!problem.empty() && !record.note.empty()) problem += ": " + record.note;
  return problem;
}

Matrix block_outputs(const Matrix& cka) {
  Matrix inner(cka.rows - 1, cka.cols - 1);
  for (std::size_t i = 0; i < inner.rows; ++i) {
    for (std::size_t j = 0; j < inner.cols; ++j) inner(i, j) = cka(i + 1, j + 1);
  }
  return inner;
}

Profile kernel_profile(const Trace& trace, TokenSet tokens) {
  Profile profile;
  const auto found =
      std::find_if(trace.cka.begin(), trace.cka.end(), [&](const auto& c) { return c.tokens == tokens; });
  if (found == trace.cka.end()) {
    profile.undefined = "the record has no CKA matrix for these tokens";
    return profile;
  }
  const auto states = static_cast<std::size_t>(trace.n_layers()) + 1;
  profile.undefined = problem_of(found->value, states);
  if (!profile.undefined.empty()) {
    if (!found->note.empty()) profile.undefined += ": " + found->note;
    return profile;
  }
  const auto eigen = linalg::largest_first(linalg::symmetric_eigen(block_outputs(found->value)));
  // Coordinates below a millionth of the largest eigenvalue move no segment cost.
  const auto kept =
      static_cast<std::size_t>(std::count_if(eigen.values.begin(), eigen.values.end(), [&](double v) {
        return v > 1e-6 * eigen.values.front() && v > 0.0;
      }));
  if (kept == 0) {
    profile.undefined = "the CKA matrix has no positive eigenvalue";
    return profile;
  }
  profile.y = project(linalg::clipped_square_root(eigen), eigen.vectors, kept);
  std::size_t unusable = 0;
  for (const Matrix& replicate : found->replicates) {
    if (!problem_of(replicate, states).empty()) {
      ++unusable;
      continue;
    }
    const auto root = linalg::clipped_square_root(linalg::symmetric_eigen(block_outputs(replicate)));
    Matrix deviation = project(root, eigen.vectors, kept);
    for (std::size_t i = 0; i < deviation.data.size(); ++i) deviation.data[i] -= profile.y.data[i];
    profile.deviations.push_back(std::move(deviation));
  }
  if (unusable > 0)
    profile.note = fmt::format("{} of the CKA replicates are undefined and left out; ", unusable);
  if (profile.deviations.empty()) profile.note += "no CKA replicates: intervals hold layer noise only; ";
  profile.used = {"cka_matrix"};
  finish_profile(profile);
  return profile;
}

}  // namespace strata
