// The checks of sweep/verify.h that need no reference.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "strata/base/error.h"
#include "strata/base/sha256.h"
#include "strata/base/words.h"
#include "strata/model/backend.h"
#include "strata/model/head.h"
#include "strata/model/kernels.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/model_warnings.h"
#include "strata/sweep/verify.h"

namespace strata {
namespace {

// SHA-256 of every row of every state of one window, and of its logits: equal digests are equal bits.
struct RowDigests {
  std::vector<std::vector<std::string>> place;  // states 0..n_layers, then logits; then rows
};

std::string digest_of(std::span<const float> row) {
  Sha256 sha;
  sha.update(std::as_bytes(row));
  return sha.hex();
}

// What one forward pass over several windows left behind.
struct Observed {
  std::vector<RowDigests> digests;      // per window
  std::vector<std::string> not_finite;  // per window: where first, empty = nowhere
  std::vector<double> nll_sum;          // per window, nats
};

Observed observe(const Checkpoint& checkpoint, const std::vector<std::vector<std::int32_t>>& windows,
                 const ForwardOptions& options) {
  const auto states = static_cast<std::size_t>(checkpoint.config().n_layers) + 1;
  const auto d = static_cast<std::size_t>(checkpoint.config().hidden);
  const auto vocab = static_cast<std::size_t>(checkpoint.config().vocab);
  Observed seen{.digests = std::vector<RowDigests>(windows.size()),
                .not_finite = std::vector<std::string>(windows.size()),
                .nll_sum = std::vector<double>(windows.size(), 0.0)};
  for (RowDigests& digests : seen.digests) digests.place.resize(states + 1);
  const auto add = [&](std::size_t window, std::size_t place, std::span<const float> values,
                       std::size_t width) {
    for (std::size_t at = 0; at < values.size(); at += width)
      seen.digests[window].place[place].push_back(digest_of(values.subspan(at, width)));
    const bool finite = std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
    if (finite || !seen.not_finite[window].empty()) return;
    seen.not_finite[window] = place < states ? fmt::format("state {}", place) : std::string("the logits");
  };
  ForwardObserver observer;
  observer.state = [&](int state, std::size_t window, std::span<const float> h) {
    add(window, static_cast<std::size_t>(state), h, d);
  };
  observer.output = [&](std::size_t window, std::int64_t first, std::span<const float>,
                        std::span<const float> logits) {
    add(window, states, logits, vocab);
    const auto& ids = windows[window];
    for (std::size_t r = 0; r < logits.size() / vocab; ++r) {
      const std::size_t next = static_cast<std::size_t>(first) + r + 1;
      if (next >= ids.size()) break;
      const auto row = logits.subspan(r * vocab, vocab);
      seen.nll_sum[window] += log_sum_exp(row) - row[static_cast<std::size_t>(ids[next])];
    }
  };
  forward_windows(checkpoint, windows, options, observer);
  return seen;
}

std::string place_name(std::size_t place, std::size_t states) {
  return place < states ? fmt::format("state {}", place) : std::string("the logits");
}

// The first place at which rows [0, rows) differ; empty where none does.
std::string first_difference(const RowDigests& a, const RowDigests& b, std::size_t rows) {
  for (std::size_t place = 0; place < a.place.size(); ++place) {
    for (std::size_t r = 0; r < rows; ++r) {
      if (a.place[place][r] != b.place[place][r])
        return fmt::format("{}, position {}", place_name(place, a.place.size() - 1), r);
    }
  }
  return {};
}

// `ids` with the token in the middle replaced by another one of the window, so that it is a token the model
// knows; by its neighbour in the vocabulary where the window repeats a single token.
std::vector<std::int32_t> with_changed_token(std::vector<std::int32_t> ids, std::int32_t vocab) {
  std::int32_t& changed = ids[ids.size() / 2];
  const auto other = std::find_if(ids.begin(), ids.end(), [&](std::int32_t id) { return id != changed; });
  changed = other != ids.end() ? *other : (changed + 1) % vocab;
  return ids;
}

Check check_finite(const Observed& seen, std::int64_t tokens) {
  for (std::size_t w = 0; w < seen.not_finite.size(); ++w) {
    if (seen.not_finite[w].empty()) continue;
    return {"finite states and logits", false,
            fmt::format("NaN or infinity in {} of window {}", seen.not_finite[w], w)};
  }
  return {"finite states and logits", true,
          fmt::format("{}, {}", counted(seen.not_finite.size(), "window"),
                      counted(static_cast<std::uint64_t>(tokens), "token"))};
}

Check check_batch(const RowDigests& alone, const RowDigests& in_batch, std::size_t rows, std::size_t windows,
                  int threads) {
  const std::string where = first_difference(alone, in_batch, rows);
  const std::string what =
      fmt::format("a window alone and among {} on {} thread{}", windows, threads, threads == 1 ? "" : "s");
  return {"same bits in a batch", where.empty(),
          where.empty() ? what : fmt::format("{}: first difference at {}", what, where)};
}

Check check_causal(const RowDigests& plain, const RowDigests& changed, std::size_t at) {
  const std::string name = "causal";
  if (const std::string where = first_difference(plain, changed, at); !where.empty())
    return {name, false, fmt::format("token {} changed, and {} with it", at, where)};
  const std::size_t last = plain.place.size() - 2;
  if (plain.place[last][at] == changed.place[last][at])
    return {name, false, fmt::format("token {} changed, and its last state did not", at)};
  return {name, true, fmt::format("token {} changed: positions before it keep every bit", at)};
}

// States and logits of one window.
std::vector<std::vector<float>> arrays_of(const Checkpoint& checkpoint, const std::vector<std::int32_t>& ids,
                                          const ForwardOptions& options) {
  std::vector<std::vector<float>> arrays(static_cast<std::size_t>(checkpoint.config().n_layers) + 2);
  const ForwardObserver observer{
      .state =
          [&](int state, std::size_t, std::span<const float> h) {
            arrays[static_cast<std::size_t>(state)].assign(h.begin(), h.end());
          },
      .output =
          [&](std::size_t, std::int64_t, std::span<const float>, std::span<const float> logits) {
            arrays.back().insert(arrays.back().end(), logits.begin(), logits.end());
          }};
  forward_windows(checkpoint, {ids}, options, observer);
  return arrays;
}

// Two devices add up in another order, and agree but for that.
Check check_device(const Checkpoint& checkpoint, const std::vector<std::int32_t>& ids,
                   const ForwardOptions& there, double tolerance) {
  ForwardOptions here = there;
  here.compute.backend = &cpu_backend();
  const auto theirs = arrays_of(checkpoint, ids, there), ours = arrays_of(checkpoint, ids, here);
  RowDifference worst;
  std::size_t place = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    RowDifference here_worst;
    fold_rows(here_worst, ours[i], theirs[i], ours[i].size() / ids.size(), 0);
    if (here_worst.relative > worst.relative) worst = here_worst, place = i;
  }
  return {
      "as on the processor", worst.relative <= tolerance,
      fmt::format("largest difference {:.2e} of a token's RMS or value, at {}, position {}; tolerance {:g}",
                  worst.relative, place_name(place, ours.size() - 1),
                  std::max<std::int64_t>(worst.position, 0), tolerance)};
}

Check check_loss(const Observed& seen, const std::vector<std::vector<std::int32_t>>& windows,
                 std::size_t count, int vocab) {
  double sum = 0.0;
  std::size_t scored = 0;
  for (std::size_t w = 0; w < count; ++w) {
    sum += seen.nll_sum[w];
    scored += windows[w].size() - 1;
  }
  const double loss = sum / static_cast<double>(std::max<std::size_t>(1, scored));
  const double chance = std::log(static_cast<double>(vocab));
  if (!std::isfinite(loss))
    return {kLossCheck, false,
            fmt::format("not a finite number of nats per token over {}", counted(scored, "token"))};
  const std::string figures = fmt::format("{:.4f} nats per token (perplexity {:.2f}) over {}", loss,
                                          std::exp(loss), counted(scored, "token"));
  if (loss < chance)
    return {kLossCheck, true, fmt::format("{}, below ln(vocabulary) = {:.4f}", figures, chance)};
  return {kLossCheck, true,
          fmt::format("{}; note: not below ln(vocabulary) = {:.4f}, an untrained model or another "
                      "model's text",
                      figures, chance)};
}

}  // namespace

std::vector<Check> verify_weights(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  std::vector<Check> failed;
  std::size_t tensors = 0, values = 0;
  std::vector<float> out;
  for (const TensorRule& rule : family_of(config).tensors) {
    if (!checkpoint.has(rule.role)) continue;
    out.resize(checkpoint.element_count(rule.role));
    for (int layer = 0; layer < (rule.per_block ? config.n_layers : 1); ++layer) {
      try {
        checkpoint.load(rule.role, layer, out);
        ++tensors;
        values += out.size();
      } catch (const Error& error) {
        failed.push_back({"weights", false, error.what()});
      }
    }
  }
  if (!failed.empty()) return failed;
  std::string detail = fmt::format("{} tensors, {} values, all finite", tensors, values);
  for (const std::string& warning : weight_warnings(checkpoint)) detail += "; note: " + warning;
  return {{"weights", true, detail}};
}

namespace {

std::size_t leading_spaces(std::string_view text) {
  return std::min(text.find_first_not_of(' '), text.size());
}

// `text` with nothing lost or changed and only spaces put in: after an added token, too, SentencePiece adds
// one.
bool only_spaces_added(std::string_view back, std::string_view text) {
  std::size_t at = 0;
  for (const char c : back) {
    if (at < text.size() && c == text[at]) {
      ++at;
    } else if (c != ' ') {
      return false;
    }
  }
  return at == text.size();
}

enum class RoundTrip { same, spaces, same_ids, another_text };

RoundTrip round_trip(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, std::string_view back,
                     std::string_view text, bool adds_spaces) {
  if (back == text) return RoundTrip::same;
  if (adds_spaces && only_spaces_added(back, text)) return RoundTrip::spaces;
  return tokenizer.encode(back, false) == ids ? RoundTrip::same_ids : RoundTrip::another_text;
}

}  // namespace

Check verify_round_trip(const Tokenizer& tokenizer, const std::vector<RawDocument>& documents) {
  const std::string name = "tokenizer round trip";
  std::size_t tokens = 0, begun = 0, normalised = 0, spaced = 0;
  for (const RawDocument& document : documents) {
    const auto ids = tokenizer.encode(document.text, false, document.name);
    std::string back = tokenizer.decode(ids);
    tokens += ids.size();
    // SentencePiece puts a space before every text.
    const bool begins = leading_spaces(back) == leading_spaces(document.text) + 1;
    if (begins) back.erase(0, 1);
    begun += begins ? 1 : 0;
    switch (round_trip(tokenizer, ids, back, document.text, begins)) {
      case RoundTrip::same:
        break;
      case RoundTrip::spaces:
        ++spaced;
        break;
      case RoundTrip::same_ids:
        ++normalised;
        break;
      case RoundTrip::another_text: {
        const auto at = std::mismatch(back.begin(), back.end(), document.text.begin(), document.text.end());
        return {name, false,
                fmt::format("{}: comes back as another text, first at byte {}", document.name,
                            at.second - document.text.begin())};
      }
    }
  }
  std::string detail = fmt::format("{}, {}", counted(documents.size(), "document"),
                                   counted(static_cast<std::uint64_t>(tokens), "token"));
  if (begun > 0) detail += fmt::format("; note: the tokenizer puts a space before {} of them", begun);
  if (spaced > 0) detail += fmt::format("; note: and after added tokens, in {} of them", spaced);
  if (normalised > 0) detail += fmt::format("; note: {} of them normalised, with the same ids", normalised);
  return {name, true, detail};
}

std::vector<Check> verify_forward(const Checkpoint& checkpoint,
                                  const std::vector<std::vector<std::int32_t>>& windows,
                                  const VerifyOptions& options) {
  STRATA_CHECK(!windows.empty() && windows[0].size() > 1);
  require_head(checkpoint);
  const std::vector<std::int32_t>& first = windows[0];
  auto batch = windows;
  batch.emplace_back(first.rbegin(), first.rend());  // company, even where the text is one window
  batch.push_back(with_changed_token(first, checkpoint.config().vocab));
  const ForwardOptions forward{.threads = options.threads,
                               .compute = {ComputeDType::float32, *options.backend},
                               .progress = options.progress};
  require_compute(forward.compute);
  ForwardOptions one_thread = forward;
  one_thread.threads = 1;
  const Observed alone = observe(checkpoint, {first}, one_thread);
  const Observed seen = observe(checkpoint, batch, forward);
  std::int64_t tokens = 0;
  for (const auto& ids : batch) tokens += static_cast<std::int64_t>(ids.size());
  std::vector<Check> checks{
      check_finite(seen, tokens),
      check_batch(alone.digests[0], seen.digests[0], first.size(), batch.size(), options.threads),
      check_causal(seen.digests[0], seen.digests.back(), first.size() / 2),
      check_loss(seen, windows, windows.size(), checkpoint.config().vocab)};
  if (options.backend != &cpu_backend() && checks[0].passed)
    checks.push_back(check_device(checkpoint, first, forward, options.tolerance));
  return checks;
}

}  // namespace strata
