#include "tests/cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
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

Child::Child(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
             const std::string& terminal) {
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
  const auto err = terminal.empty() ? directory_.path() / "err" : std::filesystem::path(terminal);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), kFlags | O_NOCTTY, 0600);
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

Result strata_on_terminal(const std::vector<std::string>& arguments,
                          const std::vector<std::string>& environment) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) throw std::runtime_error("no terminal");
  const std::string name = ptsname(master);
  const int held = open(name.c_str(), O_RDWR | O_NOCTTY);  // so that the master never sees a hang-up
  Child child(arguments, environment, name);
  std::string shown;
  std::atomic<bool> over{false};
  std::thread reader([&] {
    char buffer[4096];
    pollfd ready{.fd = master, .events = POLLIN, .revents = 0};
    while (true) {
      const bool last_look = over;
      while (poll(&ready, 1, 20) > 0)
        shown.append(buffer,
                     static_cast<std::size_t>(std::max<ssize_t>(0, read(master, buffer, sizeof(buffer)))));
      if (last_look) return;
    }
  });
  Result result = child.wait();
  over = true;
  reader.join();
  close(held);
  close(master);
  result.err = shown;
  return result;
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
  TinyCheckpoint model = tiny;
  model.edit_config = [&](nlohmann::json& config) {
    config["bos_token_id"] = config["eos_token_id"] = model.vocab - 1;  // as in llama-nano
    if (tiny.edit_config) tiny.edit_config(config);
  };
  write_checkpoint(directory, model);
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
                                                          {"--replicates", "20"},
                                                          {"--shuffled-text", "none"},
                                                          {"--null-models", "0"}};
  for (const auto& [flag, value] : defaults) {
    const std::string name = flag;
    const auto given = [&name](const std::string& argument) {
      return argument == name || argument.starts_with(name + "=");
    };
    if (std::none_of(more.begin(), more.end(), given)) arguments.insert(arguments.end(), {flag, value});
  }
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace strata::test
