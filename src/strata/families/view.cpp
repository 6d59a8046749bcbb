#include <fmt/format.h>

#include <algorithm>

#include "strata/base/words.h"
#include "strata/families/families.h"
#include "strata/families/predictions/prediction.h"

namespace strata {
namespace {

constexpr const char* kUntested = "no run has a detector that could be tested";

bool selected(const Evidence& e) {
  return e.split.defined();
}

// "in 0 of 1 model of the family 'llama'"
std::string share_words(const SelectedCount& count, const std::string& noun, const std::string& of) {
  return fmt::format("in {} of {}{}", count.selected, counted(static_cast<std::size_t>(count.tested), noun),
                     of);
}

}  // namespace

std::vector<const Evidence*> StudyView::family(const std::string& name) const {
  std::vector<const Evidence*> out;
  for (const Evidence* e : main) {
    if (e->family == name && e->split.defined()) out.push_back(e);
  }
  return out;
}

SelectedCount Assessment::count(const std::vector<const Evidence*>& asked, bool (*usable)(const Evidence&)) {
  SelectedCount out;
  for (const Evidence* e : asked) {
    if (!e->tested) continue;
    ++out.tested;
    out.selected += usable(*e) ? 1 : 0;
    fewest_blocks = tested == 0 && out.tested == 1 ? e->n_layers : std::min(fewest_blocks, e->n_layers);
    most_blocks = std::max(most_blocks, e->n_layers);
    powers.push_back(e->power);
  }
  tested += out.tested;
  selected += out.selected;
  return out;
}

bool require_selected(const std::vector<const Evidence*>& asked, bool (*usable)(const Evidence&), int needed,
                      const std::string& noun, Assessment& a) {
  const SelectedCount count = a.count(asked, usable);
  if (count.selected >= needed) return true;
  if (count.tested == 0) {
    a.missing = kUntested;
  } else if (count.selected < count.tested) {
    a.moot = fmt::format("the tests select two boundaries {}", share_words(count, noun, ""));
  } else {
    a.missing = fmt::format("the study has {}, and {} are needed",
                            counted(static_cast<std::size_t>(count.tested), noun), needed);
  }
  a.models_needed = std::max(a.models_needed, needed);
  return false;
}

bool require_family(const StudyView& view, const std::string& family, Assessment& a) {
  const SelectedCount count = a.count(of_family(view.main, family), selected);
  a.one_family = true;
  a.models_needed = kFewestModels;
  if (count.selected >= kFewestModels) {
    a.models_needed = 0;
    return true;
  }
  if (count.tested == 0 && !of_family(view.main, family).empty()) {
    a.missing = kUntested;
  } else if (count.selected < count.tested) {
    a.moot = fmt::format("the tests select two boundaries {}",
                         share_words(count, "model", fmt::format(" of the family '{}'", family)));
  } else {
    a.missing = fmt::format("the study has {} of the family '{}', and an SD of fewer than {} is not judged",
                            counted(static_cast<std::size_t>(count.tested), "model"), family, kFewestModels);
  }
  return false;
}

bool require_families(const StudyView& view, Assessment& a) {
  const std::string &variable = view.card->variable_family, &stable = view.card->stable_family;
  const SelectedCount v = a.count(of_family(view.main, variable), selected),
                      s = a.count(of_family(view.main, stable), selected);
  if (v.selected >= kFewestModels && s.selected >= kFewestModels) return true;
  if (v.tested + s.tested == 0 && !view.main.empty()) {
    a.missing = kUntested;
  } else if (v.selected < v.tested || s.selected < s.tested) {
    a.moot = fmt::format("the tests select two boundaries {} and {}",
                         share_words(v, "model", fmt::format(" of the family '{}'", variable)),
                         share_words(s, "model", fmt::format(" of '{}'", stable)));
  } else {
    a.missing = fmt::format(
        "the study has {} of the family '{}' and {} of '{}', and fewer than {} of each are not compared",
        counted(static_cast<std::size_t>(v.tested), "model"), variable,
        counted(static_cast<std::size_t>(s.tested), "model"), stable, kFewestModels);
  }
  return false;
}

}  // namespace strata
