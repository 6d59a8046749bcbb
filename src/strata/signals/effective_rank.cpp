#include "strata/signals/effective_rank.h"

#include <cmath>
#include <limits>

#include "strata/signals/gram.h"

namespace strata {

double effective_rank(const Matrix& gram, std::size_t width) {
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  if (gram.rows < 2) return kUndefined;
  const Matrix centred = centred_gram(gram);
  double total = 0.0, plain = 0.0;
  for (std::size_t i = 0; i < gram.rows; ++i) {
    total += centred(i, i);
    plain += gram(i, i);
  }
  if (!(total > 1e-12 * plain)) return kUndefined;
  double entropy = 0.0;
  for (const double lambda : gram_eigenvalues(centred, width)) {
    const double share = lambda / total;
    if (share > 1e-15) entropy -= share * std::log(share);  // below is rounding
  }
  return std::exp(entropy);
}

}  // namespace strata
