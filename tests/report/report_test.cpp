#include "strata/report/report.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "strata/base/sha256.h"
#include "strata/report/embed.h"
#include "strata/report/page_record.h"
#include "strata/report/template.h"
#include "tests/support/paths.h"
#include "tests/support/synthetic_run.h"
#include "tests/support/synthetic_study.h"
#include "tests/support/synthetic_twins.h"

namespace strata {
namespace {

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

// What a browser takes as the record: everything up to the next end tag.
std::string record_of(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"strata-record\">";
  const std::size_t begin = html.find(open) + open.size();
  return html.substr(begin, html.find("</script", begin) - begin);
}

TEST(Embed, HtmlAndScriptEscapes) {
  EXPECT_EQ(escape_html("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  const std::string json = R"({"a":"</script><!--<b>\\u003c"})";
  const std::string escaped = escape_json_for_script(json);
  EXPECT_EQ(escaped.find('<'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(escaped), nlohmann::json::parse(json));
}

TEST(Embed, FillWantsItsMarkerOnce) {
  EXPECT_EQ(fill_marker("a@M@b", "@M@", "@M@"), "a@M@b");
  EXPECT_THROW((void)fill_marker("ab", "@M@", "x"), std::logic_error);
  EXPECT_THROW((void)fill_marker("@M@@M@", "@M@", "x"), std::logic_error);
}

TEST(Report, HostileTextsStayText) {
  strata::Run run = test::synthetic_run(8);
  const std::string hostile =
      "</script><script>alert(1)</script><!-- @STRATA_RECORD@ @STRATA_TITLE@ \xe2\x80\xa8";
  run.trace.model.name = hostile;
  run.trace.documents[0].name = hostile;
  run.trace.sinks[0].text = hostile;
  run.findings.sentences[0] = hostile;
  const std::string html = model_report_html(run, hostile);
  // The elements of the template, and no others.
  EXPECT_EQ(count(html, "<script"), count(report_template(), "<script"));
  EXPECT_EQ(count(html, "</script"), count(report_template(), "</script"));
  EXPECT_EQ(html.find("<!--"), std::string::npos);
  const auto record = nlohmann::json::parse(record_of(html));
  EXPECT_EQ(record["model"]["name"], hostile);
  EXPECT_EQ(record["documents"][0]["name"], hostile);
  EXPECT_EQ(record["command"], hostile);
}

TEST(Report, LoadsNothing) {
  const std::string html = model_report_html(test::synthetic_run(12), "strata analyze");
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  // The page's own markup; what the script makes is watched by the browser test.
  const std::string markup = html.substr(0, html.find("<style>")) + html.substr(html.rfind("</style>"), 400);
  for (const char* attribute : {" src=", " action=", " srcset=", " poster=", "http-equiv=\"refresh"}) {
    EXPECT_EQ(markup.find(attribute), std::string::npos) << attribute;
  }
  EXPECT_EQ(count(markup, " href="), count(markup, " href=\"data:"));
  const std::size_t style = html.find("<style>");
  const std::string css = html.substr(style, html.find("</style>") - style);
  EXPECT_EQ(css.find("url("), std::string::npos);
  EXPECT_EQ(css.find("@import"), std::string::npos);
}

// SHA-256 as a policy writes it: base64 of the 32 bytes.
std::string policy_hash(std::string_view text) {
  const std::string hex = sha256_hex(text);
  std::uint32_t bits = 0;
  int count = 0;
  std::string out;
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto take = [&](std::uint32_t byte) {
    bits = bits << 8 | byte;
    if (++count < 3) return;
    for (int shift = 18; shift >= 0; shift -= 6) out += kDigits[bits >> shift & 63];
    bits = 0, count = 0;
  };
  for (std::size_t i = 0; i < hex.size(); i += 2)
    take(static_cast<std::uint32_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  take(0);  // 32 bytes want one more for whole groups
  out.back() = '=';
  return "'sha256-" + out + "'";
}

std::string between(const std::string& text, const std::string& open, const std::string& close) {
  const std::size_t begin = text.find(open) + open.size();
  return text.substr(begin, text.find(close, begin) - begin);
}

// E23: scripts of someone else's record ran. The page allows its own script and style, and nothing else.
TEST(Report, ThePolicyAllowsExactlyItsOwnScriptAndStyle) {
  for (const std::string& html : {model_report_html(test::synthetic_run(12), "strata analyze"),
                                  study_report_html(test::synthetic_study(), "strata compare"),
                                  twins_report_html(test::synthetic_twins(false), "strata compare")}) {
    const std::string policy = between(html, "Content-Security-Policy\" content=\"", "\">");
    EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
    EXPECT_EQ(count(policy, "sha256-"), 2u);
    const std::string style = policy_hash(between(html, "<style>", "</style>"));
    const std::string script = policy_hash(between(html, "</script>\n<script>", "</script>"));
    EXPECT_NE(policy.find("style-src " + style + ";"), std::string::npos) << style << policy;
    EXPECT_NE(policy.find("script-src " + script + ";"), std::string::npos) << script << policy;
    EXPECT_NE(policy.find("require-trusted-types-for 'script'"), std::string::npos);
    EXPECT_EQ(count(html, "<script"), 2u);  // the record, which is data, and the script
  }
}

TEST(Report, TheTemplateIsTheCommittedOne) {
  std::ifstream file(test::repo_path("src/strata/report/report_template.html"), std::ios::binary);
  const std::string committed{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(committed.empty());
  EXPECT_TRUE(report_template() == committed);
}

TEST(Report, CarriesTheNoticesOfWhatItEmbeds) {
  const std::string_view page = report_template();
  EXPECT_NE(page.find("Apache ECharts"), std::string_view::npos);
  EXPECT_NE(page.find("Apache License"), std::string_view::npos);
  EXPECT_NE(page.find("BSD 3-Clause License"), std::string_view::npos);
  EXPECT_NE(page.find("0BSD"), std::string_view::npos);
}

// Other tests hold the two pages to the registries; this one holds the report to the pages.
TEST(Report, DefinesEverySignalAndIntervention) {
  for (const auto& [document, at_least] :
       {std::pair{"docs/signals.md", 19u}, std::pair{"docs/brittleness.md", 17u}}) {
    std::ifstream file(test::repo_path(document));
    std::size_t rows = 0;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("| `")) continue;
      const std::string id = line.substr(3, line.find('`', 3) - 3);
      ++rows;
      EXPECT_NE(report_template().find(id + ":\""), std::string_view::npos) << document << ": " << id;
    }
    EXPECT_GE(rows, at_least) << document;
  }
}

TEST(Report, SizeIsBounded) {
  EXPECT_LT(model_report_html(test::synthetic_run(12), "x").size(), 1'200'000u);
  EXPECT_LT(model_report_html(test::synthetic_run(80), "x").size(), 1'700'000u);
}

TEST(Report, StudyAndTwins) {
  Study study = test::synthetic_study();
  study.study.title = "</title><script>";
  const std::string html = study_report_html(study, "strata compare a b");
  EXPECT_EQ(count(html, "<script"), count(report_template(), "<script"));
  const auto page = nlohmann::json::parse(record_of(html));
  EXPECT_EQ(page["page"], "study");
  EXPECT_EQ(page["study"]["seed"], "18446744073709551615");
  EXPECT_EQ(page["command"], "strata compare a b");
  EXPECT_EQ(page["verdicts"].size(), 10u);
  EXPECT_EQ(page["verdicts"][2]["outcome"], "moot");
  EXPECT_EQ(page["forced_splits"]["gaps"].size(), 1u);
  EXPECT_EQ(page["members"][3]["forced_boundaries"].size(), 2u);
  EXPECT_TRUE(page["members"][3]["boundaries"].empty());
  const auto twins = nlohmann::json::parse(record_of(twins_report_html(test::synthetic_twins(false), "c")));
  EXPECT_EQ(twins["page"], "twins");
  EXPECT_EQ(twins["run"]["seed"], "18446744073709551615");
  EXPECT_EQ(twins["findings"]["parts"].size(), 10u);
  EXPECT_FALSE(twins.contains("series"));
  EXPECT_FALSE(twins.contains("substitutions"));
}

TEST(Report, SameRunSameBytes) {
  EXPECT_EQ(model_report_html(test::synthetic_run(12), "x"), model_report_html(test::synthetic_run(12), "x"));
}

TEST(PageRecord, MeansInPlaceOfDocuments) {
  const auto page = nlohmann::json::parse(page_record(test::tiny_run(), "strata analyze"));
  EXPECT_EQ(page["series"][0]["mean"].dump(), "[0.6875,0.25,null]");
  EXPECT_FALSE(page["series"][0].contains("by_doc"));
  EXPECT_EQ(page["curves"][0]["kl"].dump(), "[0.5,7]");
  EXPECT_EQ(page["curves"][0]["kl_se"].dump(), "[0,1.5]");
  EXPECT_EQ(page["curves"][0]["nll"].dump(), "[null,null]");
  EXPECT_EQ(page["run"]["seed"], "18446744073709551615");
  EXPECT_EQ(page["command"], "strata analyze");
}

// What only some runs have, and older records have not.
TEST(PageRecord, OptionalParts) {
  strata::Run run = test::synthetic_run(12);
  run.trace.curves[0].top1_agreement(0, 0) = 0.0;
  const auto page = nlohmann::json::parse(page_record(run, ""));
  EXPECT_EQ(page["bottlenecks"].size(), 3u);
  EXPECT_EQ(page["findings"]["random_twins"].size(), 1u);
  EXPECT_EQ(page["findings"]["splits"].size(), 13u);
  EXPECT_FALSE(page["findings"]["splits"][0].contains("kappa_by_doc"));
  EXPECT_FALSE(page["curves"][0].contains("top1_agreement"));
  EXPECT_FALSE(page["findings"].contains("doses"));
  const std::vector<double> weight = lane_weights(run.trace);
  double sum = 0.0, total = 0.0;
  for (std::size_t d = 0; d < 8; ++d) {
    sum += weight[d] * run.trace.curves[0].top1_agreement(d, 0);
    total += weight[d];
  }
  EXPECT_NEAR(page["curves"][0]["top1"][0].get<double>(), sum / total, 1e-6);
  EXPECT_GT(page["curves"][0]["top1_se"][0].get<double>(), 0.0);
  const auto old = nlohmann::json::parse(page_record(test::tiny_run(), ""));
  EXPECT_FALSE(old["curves"][0].contains("top1"));
  EXPECT_TRUE(old["bottlenecks"].empty());
}

TEST(PageRecord, RoundsToSixDigits) {
  strata::Run run = test::tiny_run();
  run.findings.kappa[0].kappa = 1.0 / 3.0;
  EXPECT_EQ(nlohmann::json::parse(page_record(run, ""))["findings"]["kappa"][0]["kappa"].dump(), "0.333333");
}

}  // namespace
}  // namespace strata
