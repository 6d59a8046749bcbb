// arrays.npz: CKA matrices, their replicates, and the null samples of the tests.
#include <algorithm>

#include "strata/base/error.h"
#include "strata/record/internal.h"

namespace strata::record_json {
namespace {

std::string null_name(const Detection& detection, std::size_t test) {
  return fmt::format("null_{}_{}_{}", detection.detector, to_string(detection.tokens), test);
}

// The primary matrix of a token set has the plain name, whatever its scale: in older files that is the raw
// one.
std::string cka_name(const Trace& trace, const CkaRecord& cka) {
  return fmt::format("cka_{}{}", to_string(cka.tokens), find_cka(trace, cka.tokens) == &cka ? "" : "_raw");
}

NpyArray stack(const std::vector<Matrix>& matrices, std::size_t n) {
  std::vector<double> values;
  values.reserve(matrices.size() * n * n);
  for (const Matrix& matrix : matrices) {
    STRATA_CHECK(matrix.rows == n && matrix.cols == n);
    values.insert(values.end(), matrix.data.begin(), matrix.data.end());
  }
  return {{matrices.size(), n, n}, std::move(values)};
}

[[noreturn]] void bad(const std::string& where, const std::string& name, const std::string& found,
                      const std::string& expected) {
  throw Error(ErrorKind::bad_file, {.where = where + ": " + name,
                                    .found = found,
                                    .expected = expected,
                                    .hint = "run strata analyze again"});
}

std::vector<double> take(const std::vector<NamedArray>& arrays, const std::string& where,
                         const std::string& name, const std::vector<std::size_t>& shape) {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const auto& a) { return a.name == name; });
  if (found == arrays.end()) bad(where, name, "no such array", "it, as docs/outputs.md says");
  if (found->array.shape != shape) {
    bad(where, name, fmt::format("shape ({})", fmt::join(found->array.shape, ", ")),
        fmt::format("({})", fmt::join(shape, ", ")));
  }
  return found->array.as_double();
}

// Non-finite values are null in results.json and stay what they are here.
void check_same(const std::vector<double>& here, const std::vector<double>& json, const std::string& where,
                const std::string& name) {
  const bool same = std::equal(here.begin(), here.end(), json.begin(), json.end(), [](double a, double b) {
    return a == b || (!std::isfinite(a) && std::isnan(b));
  });
  if (!same) bad(where, name, "values that differ from results.json", "files of one run");
}

}  // namespace

std::vector<NamedArray> arrays_of(const Run& run) {
  // The version is also what keeps the archive from being empty, which minizip cannot read.
  std::vector<NamedArray> arrays{{"schema_version", {{}, std::vector<std::int64_t>{kSchemaVersion}}}};
  for (const CkaRecord& cka : run.trace.cka) {
    const std::string name = cka_name(run.trace, cka);
    arrays.push_back({name, {{cka.value.rows, cka.value.cols}, cka.value.data}});
    arrays.push_back({name + "_replicates", stack(cka.replicates, cka.value.rows)});
  }
  for (const SpectrumRecord& spectrum : run.trace.spectra) {
    if (spectrum.entries == 0) continue;
    const std::string name = fmt::format("spectrum_{}", to_string(spectrum.tokens));
    arrays.push_back({name, {{spectrum.value.rows, spectrum.value.cols}, spectrum.value.data}});
    arrays.push_back(
        {name + "_multiplicity",
         {{spectrum.multiplicity.rows, spectrum.multiplicity.cols}, spectrum.multiplicity.data}});
  }
  for (const Detection& detection : run.findings.detections) {
    for (std::size_t t = 0; t < detection.tests.size(); ++t) {
      const auto& sample = detection.tests[t].null_sample;
      arrays.push_back({null_name(detection, t), {{sample.size()}, sample}});
    }
  }
  return arrays;
}

void merge_arrays(const std::vector<NamedArray>& arrays, const std::string& where, Run& run) {
  if (take(arrays, where, "schema_version", {}).front() != kSchemaVersion) {
    throw Error(ErrorKind::unsupported, {.where = where + ": schema_version",
                                         .found = "another version",
                                         .expected = fmt::format("{}", kSchemaVersion),
                                         .hint = "run strata analyze again"});
  }
  for (CkaRecord& cka : run.trace.cka) {
    const std::string name = cka_name(run.trace, cka);
    const std::size_t n = cka.value.rows;
    check_same(take(arrays, where, name, {n, n}), cka.value.data, where, name);
    const std::size_t count = cka.replicates.size();
    const auto values = take(arrays, where, name + "_replicates", {count, n, n});
    for (std::size_t b = 0; b < count; ++b) {
      cka.replicates[b] = Matrix(n, n);
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(b * n * n), n * n,
                  cka.replicates[b].data.begin());
    }
  }
  for (SpectrumRecord& spectrum : run.trace.spectra) {
    if (spectrum.entries == 0) continue;
    const std::string name = fmt::format("spectrum_{}", to_string(spectrum.tokens));
    const auto states = static_cast<std::size_t>(run.trace.n_layers()) + 1;
    const auto entries = static_cast<std::size_t>(spectrum.entries);
    for (Matrix* matrix : {&spectrum.value, &spectrum.multiplicity}) {
      const std::string array = name + (matrix == &spectrum.value ? "" : "_multiplicity");
      auto values = take(arrays, where, array, {states, entries});
      if (!std::all_of(values.begin(), values.end(), [](double x) { return x >= 0.0 && std::isfinite(x); })) {
        bad(where, array, "a negative or infinite number", "eigenvalues and how often they occur");
      }
      *matrix = Matrix(states, entries);
      matrix->data = std::move(values);
    }
  }
  for (const Detection& detection : run.findings.detections) {
    for (std::size_t t = 0; t < detection.tests.size(); ++t) {
      const auto& sample = detection.tests[t].null_sample;
      const std::string name = null_name(detection, t);
      check_same(take(arrays, where, name, {sample.size()}), sample, where, name);
    }
  }
}

}  // namespace strata::record_json
