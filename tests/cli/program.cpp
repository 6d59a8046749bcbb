#include "tests/cli/program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace strata::test {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(5);

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& s : strings) list.push_back(s.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  std::vector<std::string> argv{STRATA_PROGRAM};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  env.insert(env.end(), environment.begin(), environment.end());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (directory_.path() / "out").c_str(), kFlags,
                                   0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (directory_.path() / "err").c_str(), kFlags,
                                   0600);
  const int failed =
      posix_spawn(&pid_, STRATA_PROGRAM, &actions, nullptr, pointers(argv).data(), pointers(env).data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " STRATA_PROGRAM);
}

Child::~Child() {
  if (reaped_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
}

bool Child::ended() {
  if (!reaped_) reaped_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return reaped_;
}

bool Child::wait_for(std::string_view text) {
  while (true) {
    const bool last_look = ended();
    if (slurp(directory_.path() / "err").find(text) != std::string::npos) return true;
    if (last_look) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

void Child::send(int signal) const {
  if (!reaped_) kill(pid_, signal);
}

Result Child::wait() {
  if (!reaped_) waitpid(pid_, &status_, 0);
  reaped_ = true;
  return {.code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_),
          .out = slurp(directory_.path() / "out"),
          .err = slurp(directory_.path() / "err")};
}

Result strata(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  return Child(arguments, environment).wait();
}

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TinyCheckpoint tiny_with_tokenizer() {
  TinyCheckpoint tiny;
  tiny.vocab = 4096;
  return tiny;
}

void write_model(const std::filesystem::path& directory, const TinyCheckpoint& tiny) {
  write_checkpoint(directory, tiny);
  std::filesystem::copy_file(repo_path("models/llama-nano/tokenizer.json"), directory / "tokenizer.json");
}

std::vector<std::string> quick_analyze(const std::filesystem::path& model,
                                       const std::filesystem::path& output,
                                       const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"analyze", model.string(), "-o", output.string()};
  const std::pair<const char*, std::string> defaults[] = {{"-f", repo_path("texts/tales").string()},
                                                          {"-t", "1"},
                                                          {"--chunks", "16"},
                                                          {"--positions", "512"},
                                                          {"--lens-positions", "4"},
                                                          {"--lane-tokens", "128"},
                                                          {"--surrogates", "19"},
                                                          {"--replicates", "20"}};
  for (const auto& [flag, value] : defaults) {
    if (std::find(more.begin(), more.end(), flag) == more.end())
      arguments.insert(arguments.end(), {flag, value});
  }
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace strata::test
