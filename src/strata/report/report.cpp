#include "strata/report/report.h"

#include "strata/report/embed.h"
#include "strata/report/page_record.h"
#include "strata/report/template.h"

namespace strata {

std::string model_report_html(const Run& run, const std::string& command) {
  // The two markers are filled in separate halves of the template, so that a text of the run that looks
  // like a marker is never filled.
  const std::string_view page = report_template();
  constexpr std::string_view kTitle = "@STRATA_TITLE@";
  const std::size_t split = page.find(kTitle) + kTitle.size();
  const std::string head =
      fill_marker(page.substr(0, split), kTitle, escape_html("Layers of " + run.trace.model.name));
  return head + fill_marker(page.substr(split), "@STRATA_RECORD@",
                            escape_json_for_script(page_record(run, command)));
}

}  // namespace strata
