// A process that is killed, or a disk that fails, at any file-system call: the same command then ends with
// the bytes of a run that nothing disturbed, nothing is left behind, and no file of anyone else is touched.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "strata/record/run_directory.h"
#include "tests/cli/program.h"
#include "tests/support/synthetic_run.h"

namespace strata::test {
namespace {

namespace fs = std::filesystem;

// Every file and folder below a directory: name -> content ("/" for a folder).
using Tree = std::map<std::string, std::string>;

Tree tree_of(const fs::path& directory) {
  Tree tree;
  if (!fs::exists(directory)) return tree;
  if (!fs::is_directory(directory)) return {{".", slurp(directory)}};
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().lexically_relative(directory).string();
    tree[name] = entry.is_directory() ? "/" : slurp(entry.path());
  }
  return tree;
}

// Times, memory and the counters of the machine stand in the manifest alone.
void forget_manifests(Tree& tree) {
  for (auto& [name, content] : tree) {
    if (fs::path(name).filename() == "manifest.json") content = "a manifest";
  }
}

// Names that look like those of strata, and are not.
void write_foreign(const fs::path& directory) {
  for (const char* name : {"thesis.tex", "results.json.bak", "notes.tmp", "thesis.tmp1", "states.csv.tmpx",
                           "arrays.npz.tmp.final.v2", ".strata-random-weights-mine"})
    write_text(directory / name, std::string("mine: ") + name);
}

struct Command {
  std::string name;
  std::vector<std::string> arguments;  // OUT stands for the output
  std::string output = "out";
  bool over_earlier = false;      // over an earlier result with foreign files beside its own
  bool whole_is_refused = false;  // a second time: "already there"
};

class Faults : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory;
    TinyCheckpoint tiny = tiny_with_tokenizer();
    write_model(models() / "original", tiny);
    tiny.dtype = DType::bf16;
    write_model(models() / "rounded", tiny);
    std::string text;
    for (int i = 0; i < 3; ++i) {
      for (int word = 0; word < 90; ++word) text += fmt::format("{} tale of {} ", i + word, word * word % 17);
      write_text(models() / "text" / fmt::format("{}.txt", i), text);
    }
    for (const int layers : {16, 20}) {
      strata::Run record = synthetic_run(layers);
      record.trace.model.family = layers == 16 ? "llama" : "qwen3";
      record.trace.run.seed = 0;
      const fs::path at = models() / fmt::format("run-{}", layers);
      write_run(at, record);
    }
    write_text(models() / "study.toml",
               "[analyze]\nlane_tokens = 64\nchunks = 3\nctx_size = 64\nsurrogates = 19\nreplicates = 20\n"
               "positions = 64\nlens_positions = 2\ninterventions = [\"block_skip\"]\n"
               "[[text]]\nname = \"tales\"\npath = \"text\"\n"
               "[[model]]\nmodel = \"original\"\nfamily = \"one\"\n"
               "[[model]]\nmodel = \"rounded\"\nfamily = \"two\"\n");
  }
  static void TearDownTestSuite() { delete directory_; }
  static fs::path models() { return directory_->path() / "models"; }

  static std::vector<std::string> analyze(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"analyze",
                                          (models() / "original").string(),
                                          "-o",
                                          "OUT",
                                          "-f",
                                          (models() / "text").string(),
                                          "-t",
                                          "1",
                                          "--chunks",
                                          "3",
                                          "--ctx-size",
                                          "64",
                                          "--positions",
                                          "64",
                                          "--lens-positions",
                                          "2",
                                          "--lane-tokens",
                                          "64",
                                          "--layers",
                                          "1",
                                          "--surrogates",
                                          "19",
                                          "--replicates",
                                          "20",
                                          "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  static std::vector<Command> commands() {
    const std::string a = (models() / "original").string(), b = (models() / "rounded").string();
    const std::string text = (models() / "text").string();
    return {
        {.name = "analyze", .arguments = analyze({"--null-models", "1", "--shuffled-text", "auto"})},
        {.name = "analyze_again",
         .arguments = analyze({"--null-models", "0", "--shuffled-text", "none", "--interventions", "none"}),
         .over_earlier = true},
        {.name = "compare_runs",
         .arguments = {"compare", (models() / "run-16").string(), (models() / "run-20").string(), "-o", "OUT",
                       "--quiet", "-t", "1"},
         .over_earlier = true},
        {.name = "compare_study",
         .arguments = {"compare", (models() / "study.toml").string(), "-o", "OUT", "--quiet", "-t", "1"}},
        {.name = "compare_twins",
         .arguments = {"compare", a, b, "-o", "OUT", "-f", text, "--chunks", "3", "--ctx-size", "64",
                       "--lane-tokens", "64", "--quiet", "-t", "1"}},
        {.name = "dump",
         .arguments = {"dump", a, "-o", "OUT", "-f", text, "--chunks", "3", "--ctx-size", "64", "--what",
                       "states,attention,signals", "--signals", "angular_step", "--quiet", "-t", "1",
                       "--resume"}},
        {.name = "report", .arguments = {"report", "OUT"}, .over_earlier = true},
        {.name = "synth",
         .arguments = {"synth",   "-o",       "OUT",        "--layers", "2",     "--hidden", "32",
                       "--heads", "2",        "--kv-heads", "2",        "--ffn", "32",       "--vocab",
                       "64",      "--shards", "2",          "--quiet",  "-t",    "1"},
         .whole_is_refused = true},
        {.name = "synth_gguf",
         .arguments = {"synth",    "-o",      "OUT",     "--format", "gguf",       "--layers", "2",
                       "--hidden", "32",      "--heads", "2",        "--kv-heads", "2",        "--ffn",
                       "32",       "--vocab", "64",      "--quiet",  "-t",         "1"},
         .output = "out.gguf",
         .whole_is_refused = true}};
  }

  static Result run(const Command& command, const fs::path& room, std::vector<std::string> environment = {}) {
    std::vector<std::string> arguments = command.arguments;
    for (std::string& argument : arguments) {
      if (argument == "OUT") argument = (room / command.output).string();
    }
    environment.emplace_back("LSAN_OPTIONS=detect_leaks=0");
    environment.emplace_back("ASAN_OPTIONS=verify_asan_link_order=0");
    return strata(arguments, environment);
  }

  static Command command_named(const std::string& name) {
    for (const Command& command : commands()) {
      if (command.name == name) return command;
    }
    throw std::logic_error("no command " + name);
  }

  // What is there before the command: foreign files beside the output, and in it where it is strata's.
  static void make_room(const Command& command, const fs::path& at) {
    write_foreign(at / "beside");
    write_text(at / "out.tmp", "mine");
    write_text(at / "out.gguf.tmp12", "no GGUF");
    if (!command.over_earlier) return;
    if (command.name == "report") {
      EXPECT_EQ(run(command_named("compare_runs"), at).code, 0);
      fs::remove(at / "out" / "report.html");
    } else {
      EXPECT_EQ(run(command, at).code, 0);
    }
    write_foreign(at / "out");
    write_text(at / "out" / "partial" / "mine.txt", "mine");
  }

 private:
  static inline TemporaryDirectory* directory_ = nullptr;
};

// All of them, or a sample: spread over the run, and among the last calls, the writes that finish it.
std::vector<long> points(long count, std::string_view what) {
  const char* const asked = std::getenv("STRATA_FAULTS");
  std::vector<long> list;
  if (asked != nullptr && std::string_view(asked) == "all") {
    for (long at = 1; at <= count; ++at) list.push_back(at);
  } else if (what == "kill") {
    list = {count / 3, 2 * count / 3, count - 11, count - 3};
  } else {
    list = {what == "error" ? count / 2 : count / 4, what == "error" ? count - 5 : count - 20};
  }
  std::erase_if(list, [&](long at) { return at < 1; });
  return list;
}

// Lines that say what went wrong; warnings of the record do not count.
int errors_in(const std::string& text) {
  int errors = 0;
  for (std::size_t at = 0; (at = text.find("strata: ", at)) != std::string::npos; ++at)
    errors += at == 0 || text[at - 1] == '\n' ? 1 : 0;
  return errors;
}

std::vector<std::string> with_fault(const fs::path& root, const char* what, long at) {
  return {"LD_PRELOAD=" STRATA_FAULT_SHIM, "STRATA_FAULT_ROOT=" + root.string(),
          fmt::format("STRATA_FAULT_AT={}", at), fmt::format("STRATA_FAULT_DO={}", what)};
}

TEST_P(Faults, AnyCallMayFailOrBeTheLast) {
  const Command command = command_named(GetParam());
  const TemporaryDirectory directory;
  // Every run in a directory of the same name: the page quotes the command.
  const fs::path before = directory.path() / "before", room = directory.path() / "room";
  make_room(command, before);
  const auto begin = [&] {
    fs::remove_all(room);
    fs::copy(before, room, fs::copy_options::recursive);
  };
  // Without a fault: what there has to be in the end, and how many calls it takes.
  begin();
  const fs::path counter = directory.path() / "count";
  std::vector<std::string> counting = with_fault(room, "none", 0);
  counting.push_back("STRATA_FAULT_COUNT=" + counter.string());
  const Result whole = run(command, room, counting);
  ASSERT_EQ(whole.code, 0) << whole.err;
  Tree expected = tree_of(room);
  forget_manifests(expected);
  const long count = std::atol(slurp(counter).c_str());
  ASSERT_GT(count, 10);
  for (const char* what : {"kill", "error", "full"}) {
    for (const long at : points(count, what)) {
      SCOPED_TRACE(fmt::format("{} {} at call {} of {}", command.name, what, at, count));
      begin();
      const Result stopped = run(command, room, with_fault(room, what, at));
      if (std::string_view(what) == "kill") {
        EXPECT_EQ(stopped.code, 1000 + SIGKILL) << stopped.err;
      } else {
        EXPECT_TRUE(stopped.code >= 0 && stopped.code <= 3) << stopped.code << stopped.err;
        EXPECT_LE(errors_in(stopped.err), 1) << stopped.err;
      }
      Command again = command;
      Result repeated = run(again, room);
      if (repeated.code == 2 && repeated.err.find("unfinished run") != std::string::npos) {
        again.arguments.emplace_back("--resume");
        repeated = run(again, room);
      }
      EXPECT_TRUE(repeated.code == 0 || (command.whole_is_refused && repeated.code == 2)) << repeated.err;
      Tree found = tree_of(room);
      forget_manifests(found);
      const bool same_command = again.arguments == command.arguments;
      for (const auto& [name, content] : expected) {
        const auto same = found.find(name);
        if (same == found.end()) {
          ADD_FAILURE() << name << " is missing; the first run said: " << stopped.err;
        } else if (same_command || name.find("report.html") == std::string::npos) {
          EXPECT_TRUE(same->second == content) << name << " has other bytes";
        }
      }
      for (const auto& [name, content] : found) {
        // Between the removal of the mark and of its folder a checkpoint is whole, and synth never touches
        // one.
        if (command.name == "synth" && name == "out/partial" && repeated.code == 2) continue;
        EXPECT_TRUE(expected.contains(name)) << name << " was left behind";
      }
      if (testing::Test::HasFailure() && std::getenv("STRATA_FAULTS_STOP") != nullptr) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Commands, Faults,
                         testing::Values("analyze", "analyze_again", "compare_runs", "compare_study",
                                         "compare_twins", "dump", "report", "synth", "synth_gguf"),
                         [](const auto& named) { return named.param; });

}  // namespace
}  // namespace strata::test
