#include "strata/report/report.h"

#include "strata/report/embed.h"
#include "strata/report/page_record.h"
#include "strata/report/template.h"

namespace strata {
namespace {

// The two markers are filled in separate halves of the template, so that a text of the record that looks like
// a marker is never filled.
std::string fill_template(const std::string& title, const std::string& record) {
  const std::string_view page = report_template();
  constexpr std::string_view kTitle = "@STRATA_TITLE@";
  const std::size_t split = page.find(kTitle) + kTitle.size();
  return fill_marker(page.substr(0, split), kTitle, escape_html(title)) +
         fill_marker(page.substr(split), "@STRATA_RECORD@", escape_json_for_script(record));
}

}  // namespace

std::string model_report_html(const Run& run, const std::string& command, const std::string& growing) {
  return fill_template("Layers of " + run.trace.model.name, page_record(run, command, growing));
}

std::string study_report_html(const Study& study, const std::string& command) {
  const std::string& title = study.study.title;
  return fill_template(title.empty() ? "Study " + study.study.name : title,
                       study_page_record(study, command));
}

std::string twins_report_html(const DivergenceRecord& record, const std::string& command) {
  return fill_template(record.other.name + " against " + record.original.name,
                       twins_page_record(record, command));
}

}  // namespace strata
