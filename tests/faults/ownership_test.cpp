// Whose a directory is, one run at a time, streams that are closed or full, and text that is no UTF-8: the
// program as a user runs it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <map>

#include "tests/cli/program.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::string> listing_of(const fs::path& directory) {
  std::map<std::string, std::string> tree;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    tree[entry.path().lexically_relative(directory).string()] =
        entry.is_directory() ? "/" : slurp(entry.path());
  return tree;
}

// Runs the program in a shell, for its redirections. ARGUMENTS is shell text.
Result in_shell(const std::string& arguments, const fs::path& out) {
  const std::string command = fmt::format("{} {} </dev/null", STRATA_PROGRAM, arguments);
  const int status = std::system(command.c_str());
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status),
          .out = slurp(out),
          .err = ""};
}

class Ownership : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory;
    write_model(model(), tiny_with_tokenizer());
    TinyCheckpoint rounded = tiny_with_tokenizer();
    rounded.dtype = DType::bf16;
    write_model(at("rounded"), rounded);
  }
  static void TearDownTestSuite() { delete directory_; }
  static fs::path at(const std::string& name) { return directory_->path() / name; }
  static fs::path model() { return at("model"); }
  static std::vector<std::string> analyze(const fs::path& output,
                                          const std::vector<std::string>& more = {"--quiet"}) {
    std::vector<std::string> quick = {"--interventions", "none", "--chunks", "4", "--ctx-size", "64"};
    quick.insert(quick.end(), more.begin(), more.end());
    return quick_analyze(model(), output, quick);
  }
  static std::vector<std::vector<std::string>> commands(const fs::path& output) {
    const std::string out = output.string();
    write_text(at("study.toml"), "[[text]]\nname = \"t\"\n[[model]]\nmodel = \"model\"\nfamily = \"a\"\n");
    return {analyze(output),
            {"compare", model().string(), at("rounded").string(), "-o", out, "--quiet"},
            {"compare", at("study.toml").string(), "-o", out, "--quiet"},
            {"dump", model().string(), "-o", out, "--quiet"},
            {"dump", model().string(), "-o", out, "--quiet", "--resume"},
            {"report", out},
            {"synth", "-o", out, "--layers", "1", "--quiet"},
            {"calibrate", "--short", "-o", out, "--quiet"}};
  }

 private:
  static inline TemporaryDirectory* directory_ = nullptr;
};

// A directory is strata's only by a mark that is read: names alone, or files of the same name, are none.
TEST_F(Ownership, DirectoriesOfOthersAreRefusedAndUntouched) {
  using Files = std::vector<std::pair<std::string, std::string>>;
  const std::vector<Files> others = {
      {{"results.json", R"({"results": {"arc_easy": 0.3}, "versions": {}})"}},
      {{"results.json", R"({"schema_version": 1, "results": {}})"}, {"samples.tmp1", "x"}},
      {{"partial/notes.txt", "mine"}},
      {{"partial/run.json", R"({"run": {}, "what": "a marathon"})"}},
      {{"partial/owner.json", R"({"made_by": "strata 9", "schema_version": 1})"}},
      {{"study.json", "{}"}, {"thesis.tex", "all of it"}},
      {{"divergence.json", "[1]"}, {"report.html", "mine"}},
      {{"manifest.json", R"({"name": "a web app", "icons": []})"}, {"results.json", "{}"}},
      {{"manifest.json", R"({"tool": {"name": "strata"}})"}, {"index.html", "no schema_version"}},
      {{"index.json", R"({"schema_version": 1, "arrays": [], "of": {}, "convention": "another"})"}},
      {{"calibration.json", R"({"schema_version": 1, "rows": []})"}},
      {{"runs/a/notes.txt", "mine"}},
      {{"state-000.npy.part", "x"}, {"model.safetensors", "weights"}, {"config.json.tmp12", "x"}}};
  int number = 0;
  for (const Files& files : others) {
    const fs::path output = at(fmt::format("other-{}", number++));
    for (const auto& [name, content] : files) write_text(output / name, content);
    const auto before = listing_of(output);
    for (const auto& command : commands(output)) {
      SCOPED_TRACE(fmt::format("{} on {}", fmt::join(command, " "), files[0].first));
      const Result result = strata(command);
      // report has nothing to read where there is no record: a bad file.
      const bool nothing = command[0] == "report" && result.code == 3;
      EXPECT_TRUE(result.code == 2 || nothing) << result.code << result.err;
      EXPECT_EQ(count_lines(result.err), 1u) << result.err;
      EXPECT_NE(result.err.find(output.string()), std::string::npos) << result.err;
      EXPECT_EQ(listing_of(output), before);
    }
  }
}

// One kind does not take the directory of another.
TEST_F(Ownership, AnotherKindOfStratasOwnIsRefused) {
  const fs::path output = at("kind");
  ASSERT_EQ(strata(analyze(output)).code, 0);
  const auto before = listing_of(output);
  for (const auto& command : commands(output)) {
    if (command[0] == "analyze" || command[0] == "report") continue;
    const Result result = strata(command);
    EXPECT_EQ(result.code, 2) << fmt::format("{}", fmt::join(command, " ")) << result.err;
    EXPECT_NE(result.err.find("a run of strata analyze"), std::string::npos) << result.err;
    EXPECT_EQ(listing_of(output), before);
  }
}

// A link given as output is followed and stays; a link to nothing is a usage error.
TEST_F(Ownership, ALinkStays) {
  fs::create_directory(at("target"));
  fs::create_directory_symlink("target", at("link"));
  ASSERT_EQ(strata(analyze(at("link"))).code, 0);
  ASSERT_EQ(strata(analyze(at("link"))).code, 0);  // over the first
  ASSERT_EQ(strata(analyze(at("link/"))).code, 0);
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_TRUE(fs::exists(at("target") / "results.json"));
  EXPECT_FALSE(fs::exists(at("target") / "partial"));
  fs::create_directory_symlink("nowhere", at("dangling"));
  for (const auto& command : commands(at("dangling"))) {
    const Result result = strata(command);
    EXPECT_EQ(result.code, 2) << fmt::format("{}", fmt::join(command, " ")) << result.err;
    EXPECT_FALSE(fs::exists(at("nowhere")));
    EXPECT_TRUE(fs::is_symlink(at("dangling")));
  }
  fs::create_directory(at("checkpoint"));
  fs::create_directory_symlink("checkpoint", at("checkpoint-link"));
  ASSERT_EQ(strata({"synth", "-o", at("checkpoint-link").string(), "--layers", "1", "--quiet"}).code, 0);
  EXPECT_TRUE(fs::is_symlink(at("checkpoint-link")));
  EXPECT_TRUE(fs::exists(at("checkpoint") / "config.json"));
}

// A failed run leaves a user's own empty directory with its mode, and takes away what it made.
TEST_F(Ownership, AnEmptyDirectoryAndItsModeSurviveAFailedRun) {
  for (const char* name : {"empty", "made/for/it"}) {
    const bool own = std::string_view(name) == "empty";
    for (const char* what : {own ? "error" : "full"}) {
      for (const int call : {8, 14, 20}) {
        const fs::path output = at(name);
        if (own) fs::create_directories(output);
        if (own) fs::permissions(output, fs::perms(0710));
        for (const auto& command : commands(output)) {
          const bool study = command.size() > 1 && command[1].ends_with(".toml");
          if (command[0] == "report" || command[0] == "calibrate" || study) continue;
          SCOPED_TRACE(fmt::format("{} {} {}", fmt::join(command, " "), what, call));
          const Result result = strata(
              command, {"LD_PRELOAD=" STRATA_FAULT_SHIM, "STRATA_FAULT_ROOT=" + output.string(),
                        fmt::format("STRATA_FAULT_AT={}", call), fmt::format("STRATA_FAULT_DO={}", what),
                        "LSAN_OPTIONS=detect_leaks=0", "ASAN_OPTIONS=verify_asan_link_order=0"});
          if (result.code == 0 || fs::exists(output / "runs") || fs::exists(output / "index.json")) {
            fs::remove_all(own ? output
                               : at("made"));  // the fault was not on its way, or something is worth keeping
          } else if (own) {
            EXPECT_TRUE(fs::is_empty(output)) << result.err;
            EXPECT_EQ(fs::status(output).permissions(), fs::perms(0710));
          } else {
            EXPECT_FALSE(fs::exists(at("made"))) << result.err;
          }
          if (own) fs::create_directories(output);
          if (own) fs::permissions(output, fs::perms(0710));
        }
        fs::remove_all(at(own ? "empty" : "made"));
      }
    }
  }
}

// Two runs in one directory: the second says which process has it, and changes nothing.
TEST_F(Ownership, ASecondRunInTheDirectoryIsRefused) {
  const fs::path output = at("shared");
  Child first({"analyze", repo_path("models/llama-nano").string(), "-o", output.string(), "-t", "1",
               "--chunks", "64"});
  ASSERT_TRUE(first.wait_for("clean sweep: "));
  for (const auto& more : {std::vector<std::string>{"--quiet"}, {"--quiet", "--resume"}}) {
    const Result second = strata(analyze(output, more));
    EXPECT_EQ(second.code, 2) << second.err;
    EXPECT_NE(second.err.find(fmt::format("in use by another strata (process {})", first.process())),
              std::string::npos)
        << second.err;
  }
  EXPECT_NE(slurp(output / "partial" / "owner.json").find("\"holds\": \"analysis\""), std::string::npos);
  first.send(SIGKILL);
  (void)first.wait();
  const Result after = strata(analyze(output));  // the lock went with the process
  EXPECT_EQ(after.code, 0) << after.err;
  EXPECT_FALSE(fs::exists(output / "partial"));
}

// A comparison that is stopped goes on with what it has measured, to the same bytes.
TEST_F(Ownership, AComparisonGoesOnAfterCtrlC) {
  const auto compare = [&](const std::string& output) {
    return std::vector<std::string>{"compare",
                                    repo_path("models/llama-nano").string(),
                                    at("nano-twin").string(),
                                    "-o",
                                    at(output).string(),
                                    "-t",
                                    "1",
                                    "--chunks",
                                    "8",
                                    "--lane-tokens",
                                    "256"};
  };
  fs::copy(repo_path("models/llama-nano"), at("nano-twin"), fs::copy_options::recursive);
  ASSERT_EQ(strata(compare("compare-whole")).code, 0);
  for (const int signal : {SIGINT, SIGHUP, SIGKILL}) {
    const std::string output = fmt::format("compare-{}", signal);
    Child child(compare(output));
    ASSERT_TRUE(child.wait_for("substitution: "));
    child.send(signal);
    const Result stopped = child.wait();
    EXPECT_EQ(stopped.code, signal == SIGKILL ? 1000 + SIGKILL : 130) << stopped.err;
    EXPECT_TRUE(fs::exists(at(output) / "partial" / "joint sweep.snapshot")) << stopped.err;
    const Result again = strata(compare(output));
    EXPECT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(again.err.find("joint sweep: "), std::string::npos) << again.err;
    for (const char* file : {"divergence.json", "divergence.csv"})
      EXPECT_TRUE(slurp(at(output) / file) == slurp(at("compare-whole") / file)) << file;
    EXPECT_EQ(names_in(at(output)), names_in(at("compare-whole")));
  }
}

// Stopped within the joint sweep: the blocks that both models have gone through are kept.
TEST_F(Ownership, AComparisonGoesOnWithinTheJointSweep) {
  const auto compare = [&](const std::string& output) {
    return std::vector<std::string>{"compare",
                                    repo_path("models/llama-nano").string(),
                                    at("joint-twin").string(),
                                    "-o",
                                    at(output).string(),
                                    "-t",
                                    "1",
                                    "--chunks",
                                    "24",
                                    "--lane-tokens",
                                    "128"};
  };
  fs::copy(repo_path("models/llama-nano"), at("joint-twin"), fs::copy_options::recursive);
  ASSERT_EQ(strata(compare("compare-whole")).code, 0);
  Child child(compare("compare-stopped"));
  ASSERT_TRUE(child.wait_for("joint sweep: "));
  child.send(SIGINT);
  const Result stopped = child.wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_TRUE(fs::exists(at("compare-stopped") / "partial" / "joint blocks.snapshot")) << stopped.err;
  EXPECT_NE(stopped.err.find("the same command goes on"), std::string::npos) << stopped.err;
  const Result again = strata(compare("compare-stopped"));
  EXPECT_EQ(again.code, 0) << again.err;
  for (const char* file : {"divergence.json", "divergence.csv"})
    EXPECT_TRUE(slurp(at("compare-stopped") / file) == slurp(at("compare-whole") / file)) << file;
  EXPECT_EQ(names_in(at("compare-stopped")), names_in(at("compare-whole")));
}

// stderr that is closed or full stops nothing; stdout that did not get the result is a failure.
TEST_F(Ownership, ClosedAndFullStreams) {
  const fs::path out = at("stream");
  const auto arguments = [&](const char* more) {
    return fmt::format("{} {}", fmt::join(analyze(at("streamed"), {"--json"}), " "), more);
  };
  for (const char* closed : {"2>&-", "2>/dev/full"}) {
    fs::remove_all(at("streamed"));
    EXPECT_EQ(in_shell(arguments(fmt::format("{} >{}", closed, out.string()).c_str()), out).code, 0)
        << closed;
  }
  // A pipe whose reader is gone.
  fs::remove_all(at("streamed"));
  const std::string piped = fmt::format("( {} {} >{}; echo $? >{} ) 2>&1 | true", STRATA_PROGRAM,
                                        arguments(""), out.string(), at("code").string());
  EXPECT_EQ(std::system(piped.c_str()), 0);
  EXPECT_EQ(slurp(at("code")), "0\n");
  fs::remove_all(at("streamed"));
  EXPECT_EQ(in_shell(arguments(fmt::format("2>&- >{}", out.string()).c_str()), out).code, 0);
  EXPECT_EQ(slurp(out), slurp(at("streamed") / "results.json"));
  for (const char* full : {">/dev/full", ">&-", ">&- 2>&-", ">/dev/full 2>/dev/full"}) {
    fs::remove_all(at("streamed"));
    const fs::path err = at("err");
    const bool quiet = std::string_view(full).find("2>") != std::string_view::npos;
    const std::string shell = quiet ? full : fmt::format("{} 2>{}", full, err.string());
    EXPECT_EQ(in_shell(arguments(shell.c_str()), out).code, 1) << full;
    EXPECT_TRUE(fs::exists(at("streamed") / "results.json")) << full;  // the run itself is kept
    if (!quiet) {
      EXPECT_NE(slurp(err).find("cannot write to standard output: "), std::string::npos) << slurp(err);
    }
  }
  for (const char* command : {"--version", "--help", "analyze --help", "inspect", "verify"}) {
    const std::string line = std::string_view(command).find('-') == std::string_view::npos
                                 ? fmt::format("{} {}", command, model().string())
                                 : command;
    EXPECT_EQ(in_shell(line + " >/dev/full 2>/dev/null", out).code, 1) << line;
  }
}

// Names that a terminal would obey reach it as '?', whatever prints them.
TEST_F(Ownership, NothingThatATerminalObeysIsPrinted) {
  const std::string name =
      "m\x1b[2J\x1b]0;t\x07\xc2\x9b"
      "31m\xe2\x80\xae"
      "e\xe2\x81\xa6\xe2\x80\x8e\r\nx";
  const fs::path bad = at(name);
  fs::copy(model(), bad);
  const std::vector<std::vector<std::string>> all = {
      quick_analyze(bad, at("out-of-" + name), {"--interventions", "none", "--chunks", "4"}),
      {"inspect", bad.string()},
      {"verify", bad.string(), "--chunks", "1"},
      {"compare", bad.string(), at("rounded").string(), "-o", at("compared " + name).string(), "--chunks",
       "4"},
      {"dump", bad.string(), "-o", at("dumped " + name).string(), "--chunks", "4"},
      {"report", at("out-of-" + name).string()},
      {"analyze", bad.string(), "-f", at("no such " + name).string()},
      {"no" + name},
      {"analyze", bad.string(), "--no" + name}};
  for (const auto& arguments : all) {
    const Result result = strata(arguments);
    for (const std::string& text : {result.err, result.out}) {
      for (const char* sequence :
           {"\x1b", "\x07", "\r", "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8e"})
        EXPECT_EQ(text.find(sequence), std::string::npos) << arguments[0] << ": " << text;
    }
  }
}

// A path in Latin-1 and a text that is named so: the record is made, and nothing fails at its end.
TEST_F(Ownership, PathsThatAreNoUtf8EnterTheRecord) {
  const std::string name = "mod\xe8le";
  fs::copy(model(), at(name));
  write_text(at("t\xe9xts") / "caf\xe9.txt",
             slurp(repo_path("texts/tales") / names_in(repo_path("texts/tales"))[0]));
  const fs::path output = at("sorti\xe9");
  const auto arguments =
      quick_analyze(at(name), output, {"-f", at("t\xe9xts").string(), "--interventions", "none", "--quiet"});
  const Result result = strata(arguments);
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string record = slurp(output / "results.json");
  EXPECT_NE(record.find("mod\xef\xbf\xbdle"), std::string::npos);
  for (const char* file : {"results.json", "manifest.json", "report.html", "states.csv"})
    EXPECT_EQ(slurp(output / file).find('\xe9'), std::string::npos) << file;
  EXPECT_EQ(strata({"report", output.string()}).code, 0);
  const Result twins = strata({"compare", at(name).string(), at("rounded").string(), "-o",
                               at("jum\xe9l").string(), "--chunks", "4", "--quiet"});
  EXPECT_EQ(twins.code, 0) << twins.err;
  const Result dump =
      strata({"dump", at(name).string(), "-o", at("d\xe9").string(), "--chunks", "4", "--quiet"});
  EXPECT_EQ(dump.code, 0) << dump.err;
  EXPECT_EQ(
      strata({"dump", at(name).string(), "-o", at("d\xe9").string(), "--chunks", "4", "--quiet", "--resume"})
          .code,
      0);
}

// Temporary files of killed runs go with the next one, by their exact names.
TEST_F(Ownership, TemporaryFilesOfKilledRunsAreSwept) {
  const fs::path output = at("swept");
  ASSERT_EQ(strata(analyze(output)).code, 0);
  const auto files = names_in(output);
  for (const char* name : {"results.json.tmp123", "arrays.npz.tmp", "arrays.npz.tmp.aB3xYz",
                           "report.html.tmp9", "strata-spill-a1B2c3"})
    write_text(output / name, "left");
  write_text(output / ".strata-random-weights-3" / "model.safetensors", "left");
  write_text(output / ".strata-random-weights-4.tmp77" / "config.json.tmp5", "left");
  const std::vector<std::string> mine = {
      ".strata-random-weights-x", "arrays.npz.tmp.five5", "notes.tmp123",
      "results.json.tmp",         "results.json.tmp12a",  "strata-spill-notes.txt"};
  for (const std::string& name : mine) write_text(output / name, "mine");
  ASSERT_EQ(strata(analyze(output)).code, 0);
  std::vector<std::string> expected = files;
  expected.insert(expected.end(), mine.begin(), mine.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(names_in(output), expected);
}

}  // namespace
}  // namespace strata::test
