// What there is to ask for.
#pragma once

#include <string>
#include <vector>

namespace strata {

/// One line of a list.
struct Entry {
  std::string id, unit;
};

/// Every series that a run can measure, those registered from outside among them.
[[nodiscard]] std::vector<Entry> list_signals();
/// Every intervention; the unit is that of its strength.
[[nodiscard]] std::vector<Entry> list_interventions();

struct BackendEntry {
  std::string name;     ///< the word of --device
  std::string why_not;  ///< empty where this machine can use it
};
[[nodiscard]] std::vector<BackendEntry> list_backends();

}  // namespace strata
