#include "strata/stats/partition.h"

#include <algorithm>
#include <limits>

#include "strata/base/error.h"

namespace strata::stats {

SegmentCosts::SegmentCosts(const Matrix& gram)
    : n_(gram.rows), diagonal_(gram.rows + 1), block_(gram.rows + 1, gram.rows + 1) {
  STRATA_CHECK(gram.rows == gram.cols);
  for (std::size_t i = 0; i < n_; ++i) {
    diagonal_[i + 1] = diagonal_[i] + gram(i, i);
    double row = 0.0;
    for (std::size_t j = 0; j < n_; ++j) {
      row += gram(i, j);
      block_(i + 1, j + 1) = block_(i, j + 1) + row;
    }
  }
}

double SegmentCosts::operator()(std::size_t begin, std::size_t end) const {
  const double inside = block_(end, end) - block_(begin, end) - block_(end, begin) + block_(begin, begin);
  return std::max(0.0, diagonal_[end] - diagonal_[begin] - inside / static_cast<double>(end - begin));
}

Matrix gram_matrix(const Matrix& profile) {
  Matrix gram(profile.rows, profile.rows);
  for (std::size_t i = 0; i < profile.rows; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = 0.0;
      for (std::size_t k = 0; k < profile.cols; ++k) dot += profile(i, k) * profile(j, k);
      gram(i, j) = gram(j, i) = dot;
    }
  }
  return gram;
}

std::vector<Partition> optimal_partitions(const SegmentCosts& costs, int max_jumps, std::size_t min_size) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::size_t n = costs.size();
  STRATA_CHECK(min_size >= 1 && n >= min_size && max_jumps >= 0);
  const std::size_t layers = std::min(static_cast<std::size_t>(max_jumps), n / min_size - 1) + 1;
  Matrix best(layers, n + 1, kInfinity);  // best(k, end): [0, end) with k jumps
  std::vector<std::vector<std::size_t>> last(layers, std::vector<std::size_t>(n + 1, 0));
  for (std::size_t end = min_size; end <= n; ++end) best(0, end) = costs(0, end);
  for (std::size_t k = 1; k < layers; ++k) {
    for (std::size_t end = (k + 1) * min_size; end <= n; ++end) {
      for (std::size_t begin = k * min_size; begin + min_size <= end; ++begin) {
        const double cost = best(k - 1, begin) + costs(begin, end);
        if (cost < best(k, end)) {
          best(k, end) = cost;
          last[k][end] = begin;
        }
      }
    }
  }
  std::vector<Partition> result(layers);
  for (std::size_t k = 0; k < layers; ++k) {
    result[k].cost = best(k, n);
    result[k].edges.resize(k);
    std::size_t end = n;
    for (std::size_t j = k; j > 0; --j) {
      end = last[j][end];
      result[k].edges[j - 1] = static_cast<int>(end);
    }
  }
  return result;
}

Matrix segment_means(const Matrix& profile, const std::vector<int>& edges) {
  Matrix fitted(profile.rows, profile.cols);
  std::size_t begin = 0;
  for (std::size_t s = 0; s <= edges.size(); ++s) {
    const std::size_t end = s < edges.size() ? static_cast<std::size_t>(edges[s]) : profile.rows;
    STRATA_CHECK(begin < end && end <= profile.rows);
    for (std::size_t j = 0; j < profile.cols; ++j) {
      double sum = 0.0;
      for (std::size_t t = begin; t < end; ++t) sum += profile(t, j);
      const double mean = sum / static_cast<double>(end - begin);
      for (std::size_t t = begin; t < end; ++t) fitted(t, j) = mean;
    }
    begin = end;
  }
  return fitted;
}

}  // namespace strata::stats
