#include "strata/families/predictions/prediction.h"

namespace strata {

std::vector<const Evidence*> StudyView::family(const std::string& name) const {
  std::vector<const Evidence*> out;
  for (const Evidence* e : main) {
    if (e->family == name && e->split.defined()) out.push_back(e);
  }
  return out;
}

}  // namespace strata
