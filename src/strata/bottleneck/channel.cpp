#include "strata/bottleneck/channel.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/linalg/decompose.h"
#include "strata/linalg/product.h"

namespace strata {
namespace {

void subtract_from_rows(Matrix& rows, const std::vector<double>& vector) {
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t j = 0; j < rows.cols; ++j) rows(i, j) -= vector[j];
  }
}

std::vector<double> mean_of_rows(const Matrix& rows) {
  std::vector<double> mean(rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t j = 0; j < rows.cols; ++j) mean[j] += rows(i, j);
  }
  for (double& m : mean) m /= static_cast<double>(rows.rows);
  return mean;
}

// `weights` (k, d) with column j divided by sqrt(lambda_j).
Matrix divide_columns(Matrix weights, const std::vector<double>& lambda) {
  std::vector<double> root(lambda.size());
  for (std::size_t j = 0; j < root.size(); ++j) root[j] = std::sqrt(lambda[j]);
  for (std::size_t i = 0; i < weights.rows; ++i) {
    for (std::size_t j = 0; j < weights.cols; ++j) weights(i, j) /= root[j];
  }
  return weights;
}

// prior^-2 (d).
std::vector<double> prior_precision(const Channel& channel) {
  std::vector<double> precision;
  for (const double log_prior : channel.log_prior) precision.push_back(std::exp(-2.0 * log_prior));
  return precision;
}

}  // namespace

ChannelBasis channel_basis(Matrix rows) {
  STRATA_CHECK(rows.rows >= 2 && rows.cols > 0);
  ChannelBasis basis;
  basis.mean = mean_of_rows(rows);
  subtract_from_rows(rows, basis.mean);
  Matrix covariance = linalg::gram_of_columns(rows);
  for (double& c : covariance.data) c /= static_cast<double>(rows.rows);
  auto [values, vectors] = linalg::symmetric_eigen(covariance);
  double mean = 0.0;
  for (const double value : values) mean += std::max(value, 0.0) / static_cast<double>(values.size());
  // Directions that no row has carry nothing; they must not divide by zero.
  for (double& value : values) value = std::max(value, 1e-6 * mean);
  basis.lambda = std::move(values);
  basis.vectors = std::move(vectors);
  return basis;
}

std::array<ChannelParameter, 8> Channel::parameters() {
  return {{{gain},
           {shift},
           {log_sigma},
           {log_prior},
           {w1.data, true},
           {c1},
           {w_mu.data, true},
           {w_sigma.data, true}}};
}

Channel gaussian_channel(const ChannelBasis& basis, double eps, std::size_t hidden, std::uint64_t seed) {
  const std::size_t d = basis.mean.size();
  constexpr std::uint32_t kPurpose = 0x626f74;  // keeps these numbers apart from other planted ones
  Channel channel;
  channel.gain.assign(d, 1.0);
  channel.shift.assign(d, 0.0);
  channel.log_sigma.assign(d, std::log(eps));
  for (const double lambda : basis.lambda) channel.log_prior.push_back(0.5 * std::log(lambda + eps * eps));
  channel.w1 = Matrix(hidden, d);
  Philox rng({.seed = seed, .stream = Stream::planted, .a = kPurpose});
  for (double& w : channel.w1.data) w = rng.normal() / std::sqrt(static_cast<double>(d));
  channel.c1.assign(hidden, 0.0);
  channel.w_mu = Matrix(d, hidden);
  channel.w_sigma = Matrix(d, hidden);
  return channel;
}

double Encoded::mean_rate() const {
  double sum = 0.0;
  for (const double r : rate) sum += r;
  return sum / static_cast<double>(rate.size());
}

Encoded encode(const Channel& channel, const ChannelBasis& basis, const Matrix& y) {
  Encoded out;
  out.t = linalg::multiply_transposed(y, divide_columns(channel.w1, basis.lambda));
  for (std::size_t i = 0; i < out.t.rows; ++i) {
    for (std::size_t h = 0; h < out.t.cols; ++h) out.t(i, h) = std::tanh(out.t(i, h) + channel.c1[h]);
  }
  out.mu = linalg::multiply_transposed(out.t, channel.w_mu);
  out.sigma = linalg::multiply_transposed(out.t, channel.w_sigma);
  out.rate.assign(y.rows, 0.0);
  const std::vector<double> precision = prior_precision(channel);
  for (std::size_t i = 0; i < y.rows; ++i) {
    for (std::size_t j = 0; j < y.cols; ++j) {
      const double mu = channel.gain[j] * y(i, j) + channel.shift[j] + out.mu(i, j);
      const double log_sigma = channel.log_sigma[j] + out.sigma(i, j);
      const double sigma = std::exp(log_sigma);
      out.mu(i, j) = mu;
      out.sigma(i, j) = sigma;
      const double ratio = (sigma * sigma + mu * mu) * precision[j];
      out.rate[i] += channel.log_prior[j] - log_sigma + 0.5 * ratio - 0.5;
    }
  }
  return out;
}

Matrix draw(const Encoded& encoded, const Matrix& xi, double sign) {
  Matrix z = encoded.mu;
  for (std::size_t i = 0; i < z.data.size(); ++i) z.data[i] += sign * encoded.sigma.data[i] * xi.data[i];
  return z;
}

// With g = dD/dz, b = beta / n and z = mu + sigma xi, for row i and coordinate j:
//   loss = D(z) + b sum_ij [ln prior_j - ln sigma_ij + (sigma_ij^2 + mu_ij^2) / (2 prior_j^2) - 1/2]
//   dmu_ij = dloss / dmu_ij       = g_ij + b mu_ij / prior_j^2
//   dls_ij = dloss / dln sigma_ij = g_ij sigma_ij xi_ij + b (sigma_ij^2 / prior_j^2 - 1)
//   dloss / dln prior_j           = b sum_i [1 - (sigma_ij^2 + mu_ij^2) / prior_j^2]
// mu = gain y + shift + w_mu t and ln sigma = log_sigma + w_sigma t, so with sums over rows:
//   dgain_j = sum_i dmu_ij y_ij,  dshift_j = sum_i dmu_ij,  dlog_sigma_j = sum_i dls_ij,
//   dw_mu = dmu^T t,  dw_sigma = dls^T t
// and, through t = tanh(a), a = w1 (y / sqrt(lambda)) + c1:
//   da = (dmu w_mu + dls w_sigma) (1 - t^2),  dc1 = sum_i da_i,  dw1 = da^T y / sqrt(lambda)
ChannelGradient encode_gradient(const Channel& channel, const ChannelBasis& basis, const Matrix& y,
                                const Matrix& xi, Encoded encoded, const Matrix& slope, double beta) {
  const std::size_t d = y.cols;
  const double b = beta / static_cast<double>(y.rows);
  const std::vector<double> precision = prior_precision(channel);
  ChannelGradient out;
  for (auto* sum : {&out.gain, &out.shift, &out.log_sigma, &out.log_prior}) sum->assign(d, 0.0);
  Matrix &dmu = encoded.mu, &dls = encoded.sigma;  // take the place of mu and sigma
  for (std::size_t i = 0; i < y.rows; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      const double mu = dmu(i, j), sigma = dls(i, j), g = slope(i, j);
      const double mu_share = mu * mu * precision[j], sigma_share = sigma * sigma * precision[j];
      dmu(i, j) = g + b * mu * precision[j];
      dls(i, j) = g * sigma * xi(i, j) + b * (sigma_share - 1.0);
      out.gain[j] += dmu(i, j) * y(i, j);
      out.shift[j] += dmu(i, j);
      out.log_sigma[j] += dls(i, j);
      out.log_prior[j] += b * (1.0 - sigma_share - mu_share);
    }
  }
  out.w_mu = linalg::transposed_multiply(dmu, encoded.t);
  out.w_sigma = linalg::transposed_multiply(dls, encoded.t);
  Matrix da = linalg::multiply(dmu, channel.w_mu);
  const Matrix through_sigma = linalg::multiply(dls, channel.w_sigma);
  out.c1.assign(da.cols, 0.0);
  for (std::size_t i = 0; i < da.rows; ++i) {
    for (std::size_t h = 0; h < da.cols; ++h) {
      const double t = encoded.t(i, h);
      da(i, h) = (da(i, h) + through_sigma(i, h)) * (1.0 - t * t);
      out.c1[h] += da(i, h);
    }
  }
  out.w1 = divide_columns(linalg::transposed_multiply(da, y), basis.lambda);
  return out;
}

Matrix to_basis(const ChannelBasis& basis, Matrix rows) {
  subtract_from_rows(rows, basis.mean);
  return linalg::multiply(rows, basis.vectors);
}

Matrix from_basis(const ChannelBasis& basis, const Matrix& rows) {
  Matrix u = linalg::multiply_transposed(rows, basis.vectors);
  for (std::size_t i = 0; i < u.rows; ++i) {
    for (std::size_t j = 0; j < u.cols; ++j) u(i, j) += basis.mean[j];
  }
  return u;
}

}  // namespace strata
