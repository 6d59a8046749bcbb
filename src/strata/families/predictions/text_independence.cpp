// T10: the text does not say where the boundaries are.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "strata/base/philox.h"
#include "strata/base/words.h"
#include "strata/families/families.h"
#include "strata/families/predictions/registry.h"
#include "strata/stats/variance_ratio.h"

namespace strata {
namespace {

constexpr std::size_t kFewestTexts = 3;

// Models x texts, where every model has boundaries on every text.
struct Table {
  std::vector<std::string> models, texts;
  std::vector<const Evidence*> cells;  // models x texts, row by row
};

const Evidence* find_run(const ModelList& all, const std::string& model, const std::string& text) {
  for (const Evidence* e : all) {
    if (e->model == model && e->text == text && e->split.defined()) return e;
  }
  return nullptr;
}

// Models that were run on fewer texts than others are left out, texts that not all the rest have too.
Table make_table(const ModelList& all) {
  std::vector<std::string> models, texts;
  for (const Evidence* e : all) {
    if (std::find(models.begin(), models.end(), e->model) == models.end()) models.push_back(e->model);
    if (std::find(texts.begin(), texts.end(), e->text) == texts.end()) texts.push_back(e->text);
  }
  const auto count = [&](const std::string& model) {
    return std::count_if(texts.begin(), texts.end(),
                         [&](const std::string& text) { return find_run(all, model, text) != nullptr; });
  };
  std::erase_if(models,
                [&](const std::string& model) { return count(model) < static_cast<long>(kFewestTexts); });
  std::erase_if(texts, [&](const std::string& text) {
    return !std::all_of(models.begin(), models.end(),
                        [&](const std::string& model) { return find_run(all, model, text) != nullptr; });
  });
  Table table{models, texts, {}};
  for (const std::string& model : models) {
    for (const std::string& text : texts) table.cells.push_back(find_run(all, model, text));
  }
  return table;
}

bool has_split(const Evidence& e) {
  return e.split.defined();
}

struct Spread {
  double between_texts = 0.0, between_models = 0.0;  // SDs
  [[nodiscard]] double ln_ratio() const { return std::log(between_texts / between_models); }
};

// Of the depths in this order of the cells; no SD is below that of the grid of edges.
Spread spread(const Table& table, const std::vector<std::uint32_t>& order) {
  const std::size_t rows = table.models.size(), columns = table.texts.size();
  double texts = 0.0, models = 0.0, grid = 0.0;
  for (const Evidence* e : table.cells) {
    grid += 1.0 / (12.0 * e->n_layers * e->n_layers * static_cast<double>(table.cells.size()));
  }
  for (std::size_t b = 0; b < 2; ++b) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::vector<double> depths;
      for (std::size_t c = 0; c < columns; ++c)
        depths.push_back(table.cells[order[r * columns + c]]->depth(b));
      texts += moments(depths).variance / (2.0 * static_cast<double>(rows));
    }
    for (std::size_t c = 0; c < columns; ++c) {
      std::vector<double> depths;
      for (std::size_t r = 0; r < rows; ++r) depths.push_back(table.cells[order[r * columns + c]]->depth(b));
      models += moments(depths).variance / (2.0 * static_cast<double>(columns));
    }
  }
  return {std::sqrt(std::max(texts, grid)), std::sqrt(std::max(models, grid))};
}

Assessment assess(const StudyView& view) {
  Assessment a;
  a.claimed_region = {kUndefined, 0.0};
  a.count(view.all, has_split);
  const Table table = make_table(view.all);
  a.models = static_cast<int>(table.models.size());
  if (table.texts.size() < kFewestTexts || table.models.size() < static_cast<std::size_t>(kFewestModels)) {
    const bool lacking = a.selected < a.tested;
    const std::string left = fmt::format("{} with boundaries on at least {} texts",
                                         counted(table.models.size(), "model"), kFewestTexts);
    if (lacking) {
      a.moot = fmt::format("the tests select two boundaries in {} of {}, which leaves {}", a.selected,
                           counted(static_cast<std::size_t>(a.tested), "run"), left);
    } else {
      a.missing = fmt::format("{}, and {} are needed", left, kFewestModels);
    }
    if (table.models.size() < static_cast<std::size_t>(kFewestModels)) a.models_needed = kFewestModels;
    return a;
  }
  std::vector<std::uint32_t> order(table.cells.size());
  std::iota(order.begin(), order.end(), 0u);
  const Spread seen = spread(table, order);
  a.effect = seen.ln_ratio();
  const auto range =
      stats::ln_sd_ratio_interval_90(a.effect, 2.0 * static_cast<double>(table.texts.size() - 1),
                                     2.0 * static_cast<double>(table.models.size() - 1));
  a.interval_90 = {range.lo, range.hi};
  Philox rng({.seed = view.card->seed, .stream = Stream::permutation, .a = 11});
  int below = 1, above = 1;
  for (int i = 1; i < view.card->permutations; ++i) {
    shuffle(order, rng);
    const double ratio = spread(table, order).ln_ratio();
    below += ratio <= a.effect + 1e-9 ? 1 : 0;
    above += ratio >= a.effect - 1e-9 ? 1 : 0;
  }
  // Both tails count, because the claim may be supported or refuted.
  a.p_value = std::min(1.0, 2.0 * below / view.card->permutations);
  a.p_against = std::min(1.0, 2.0 * above / view.card->permutations);
  a.smallest_p = 2.0 / view.card->permutations;
  a.unclear = fmt::format(
      "runs whose boundaries were exchanged among models and texts differ as much (p = {:.2g})", a.p_against);
  a.found = fmt::format(
      "Over {} texts a model's boundaries have an SD of {:.3f} of the depth; over {} models on one "
      "text it is {:.3f}.",
      table.texts.size(), seen.between_texts, table.models.size(), seen.between_models);
  a.quantities = {
      {.name = "SD between texts", .unit = "relative depth", .value = seen.between_texts, .note = {}},
      {.name = "SD between models", .unit = "relative depth", .value = seen.between_models, .note = {}}};
  return a;
}

}  // namespace

Prediction text_independence() {
  return {
      .id = "T10",
      .title = "text independent",
      .claim = "A model's boundaries lie at the same place whatever it reads.",
      .statistic =
          "ln ratio of the SD of relative depth between texts (within a model) to that between models "
          "(on one text)",
      .null =
          "exchangeable runs: texts matter as much as models do; p counts both tails. Descriptive: outside "
          "both sets",
      .region = "ln ratio below 0: another text moves a boundary less than another model does",
      .refuted_by = "an interval of the ln ratio above 0, and p < 0.05 of exchanged runs",
      .effect_unit = "ln ratio",
      .set = TestSet::descriptive,
      .assess = assess};
}

}  // namespace strata
