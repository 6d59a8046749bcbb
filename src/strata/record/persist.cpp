#include "strata/record/persist.h"

#include "strata/record/divergence_fields.h"
#include "strata/record/fields.h"

namespace strata {
namespace {

template <class T>
constexpr bool kLeaf = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, std::string> ||
                       std::is_same_v<T, Matrix>;

// The lists of fields that results.json is made from, so that a new member cannot be forgotten here.
class Persister {
 public:
  explicit Persister(Archive& archive) : archive_(archive) {}
  template <class T>
  void operator()(const char*, T& value) {
    put(value);
  }
  template <class T>
  void optional(const char*, T& value) {
    put(value);
  }
  template <class Compute>
  void derived(const char*, const Compute&) {}
  void count(const char*, std::vector<Matrix>& values) { archive_(values); }

  template <class T>
  void put(T& value) {
    if constexpr (kLeaf<T>) {
      archive_(value);
    } else {
      record_json::fields(*this, value);
    }
  }
  template <class T>
  void put(std::vector<T>& list) {
    if constexpr (kLeaf<T>) {
      archive_(list);
    } else {
      list.resize(archive_.size_of(list.size(), 1));
      for (T& item : list) put(item);
    }
  }

 private:
  Archive& archive_;
};

}  // namespace

void persist(Archive& archive, std::vector<DoseCurve>& curves) {
  Persister(archive).put(curves);
}

void persist(Archive& archive, std::vector<Series>& series) {
  Persister(archive).put(series);
}

void persist(Archive& archive, DivergenceRecord& record) {
  Persister(archive).put(record);
}

void persist(Archive& archive, Trace& trace) {
  auto& [run, model, documents, series, cka, spectra, curves, bottlenecks, sinks, mask_counts, sink_paths,
         carriers, lens_passages, n_massive, n_tokens, warnings] = trace;
  Persister put(archive);
  put.put(run);
  put.put(model);
  put.put(documents);
  put.put(series);
  put.put(cka);
  put.put(spectra);
  for (SpectrumRecord& record : spectra) {  // only their sizes are in results.json
    archive(record.value);
    archive(record.multiplicity);
  }
  put.put(curves);
  put.put(bottlenecks);
  put.put(sinks);
  put.put(mask_counts);
  put.put(sink_paths);
  put.put(carriers);
  put.put(lens_passages);
  put.put(n_massive);
  put.put(n_tokens);
  put.put(warnings);
}

}  // namespace strata
