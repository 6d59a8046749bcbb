// analyze MODEL TEXT RUN_DIRECTORY: measures, concludes, and leaves a run directory with the report.
#include <strata/strata.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 4) return std::fputs("usage: analyze MODEL TEXT RUN_DIRECTORY\n", stderr), 2;
  const strata::Model model = strata::Model::open(argv[1]);
  const strata::Text text = strata::load_text(model, {.path = argv[2]});
  const strata::Run run = strata::analyze_into({.directory = argv[3]}, model, text);
  for (const auto& sentence : run.findings.sentences) std::puts(sentence.c_str());
  std::printf("%s/report.html\n", argv[3]);
} catch (const strata::Error& error) {
  std::fprintf(stderr, "analyze: %s\n", error.what());
  return strata::exit_code(error.kind());
}
