// strata verify: is what strata computes from this checkpoint right? Against another engine's arrays, or
// against itself.
#include "strata/sweep/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "strata/base/error.h"
#include "strata/base/philox.h"
#include "strata/cli/command.h"
#include "strata/cli/installed.h"
#include "strata/cli/number_option.h"
#include "strata/cli/say.h"
#include "strata/cli/terminal.h"
#include "strata/cli/text_flags.h"
#include "strata/model/backend.h"
#include "strata/workflow/text.h"

namespace strata {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kWindows = 4;  // of the check without a reference, unless --chunks says otherwise
constexpr std::size_t kRandomTokens = 128;  // of the window that stands in for a text

struct VerifyCommand {
  std::filesystem::path model, reference;
  TextOptions text{.chunks = kWindows};
  VerifyOptions verify;
  bool json = false, quiet = false;
};

const char* word(bool passed) {
  return passed ? "ok" : "failed";
}

std::string reference_text(const ReferenceCheck& check) {
  std::string out =
      fmt::format("{} tokens; tolerance {:g} of a token's RMS, or of the value where that is larger\n\n",
                  check.tokens, check.tolerance);
  if (check.ids) {
    out += fmt::format("ids          {:<6} {} of the tokenizer, {} of the reference", word(check.ids->passed),
                       check.ids->ours, check.ids->reference);
    if (!check.ids->passed) {
      out += fmt::format("; position {}: {} instead of {}", check.ids->first_difference, check.ids->our_token,
                         check.ids->reference_token);
    }
    out += "\n\n";
  }
  if (!check.arrays.empty())
    out += fmt::format("{:<14} {:>5} {:>12} {:>12} {:>10} {:>9} {:>9}\n", "array", "state", "worst diff",
                       "scale", "relative", "position", "dimension");
  for (const ArrayCheck& a : check.arrays) {
    out += fmt::format("{:<14} {:>5} {:>12.3g} {:>12.4g} {:>10.2e} {:>9} {:>9}  {}\n", a.name,
                       a.state < 0 ? "" : fmt::format("{}", a.state), a.worst.difference, a.worst.scale,
                       a.worst.relative, a.worst.position, a.worst.dimension, word(a.passed));
  }
  if (check.logits) {
    const LogitCheck& l = *check.logits;
    out +=
        fmt::format("\nlogits: same most likely token at {} of {} positions; KL(reference || strata) {}\n",
                    l.same_top, l.rows,
                    std::isfinite(l.mean_kl_nats)
                        ? fmt::format("mean {:.3g}, largest {:.3g} nats", l.mean_kl_nats, l.largest_kl_nats)
                        : std::string("undefined: strata's logits are not finite"));
  }
  for (const std::string& note : check.notes) out += fmt::format("note: {}\n", note);
  return out;
}

Json reference_json(const ReferenceCheck& check) {
  Json json;
  json["tokens"] = check.tokens;
  json["tolerance"] = check.tolerance;
  if (check.ids) {
    json["ids"] = {{"passed", check.ids->passed},       {"ours", check.ids->ours},
                   {"reference", check.ids->reference}, {"first_difference", check.ids->first_difference},
                   {"our_token", check.ids->our_token}, {"reference_token", check.ids->reference_token}};
  }
  json["arrays"] = Json::array();
  for (const ArrayCheck& a : check.arrays) {
    json["arrays"].push_back({{"name", a.name},
                              {"state", a.state < 0 ? Json(nullptr) : Json(a.state)},
                              {"difference", a.worst.difference},
                              {"scale", a.worst.scale},
                              {"relative", a.worst.relative},
                              {"position", a.worst.position},
                              {"dimension", a.worst.dimension},
                              {"passed", a.passed}});
  }
  if (check.logits) {
    json["logits"] = {{"rows", check.logits->rows},
                      {"same_top", check.logits->same_top},
                      {"mean_kl_nats", check.logits->mean_kl_nats},
                      {"largest_kl_nats", check.logits->largest_kl_nats}};
  }
  json["notes"] = check.notes;
  return json;
}

// A missing or foreign tokenizer matters only where there is a text; a damaged one always does.
std::optional<Tokenizer> tokenizer_if_readable(const Checkpoint& checkpoint,
                                               const std::filesystem::path& given, std::string& note) {
  try {
    return find_tokenizer(checkpoint, given);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::unsupported) throw;
    note = error.what();
    return std::nullopt;
  }
}

struct Verdict {
  Json json;
  std::string text;
  int checks = 0, failures = 0;
};

Verdict against_reference(const Checkpoint& checkpoint, const VerifyCommand& command) {
  std::string note;
  const auto tokenizer = tokenizer_if_readable(checkpoint, command.text.tokenizer, note);
  ReferenceCheck check =
      verify_reference(checkpoint, tokenizer ? &*tokenizer : nullptr, command.reference, command.verify);
  if (!note.empty()) check.notes.push_back(note);
  return {.json = reference_json(check),
          .text = reference_text(check),
          .checks = static_cast<int>(check.arrays.size()) + (check.ids ? 1 : 0),
          .failures = check.failures};
}

struct TestWindows {
  std::vector<std::vector<std::int32_t>> ids;
  bool random = false;
};

// Windows of the text; a text that cannot be tokenized is a failed check, and random ids take its place.
TestWindows windows_of(const Checkpoint& checkpoint, const VerifyCommand& command,
                       std::vector<Check>& checks) {
  TestWindows windows;
  try {
    TextOptions options = with_default_text(command.text);
    options.keep_texts = true;  // a pipe can be read only once
    LoadedText text = load_text(checkpoint, options);
    if (text.tokenizer) checks.push_back(verify_round_trip(*text.tokenizer, text.texts));
    for (Window& window : text.corpus.windows) windows.ids.push_back(std::move(window.ids));
    return windows;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::usage) throw;
    checks.push_back({"text", false, fmt::format("{}; random ids instead, and no loss", error.what())});
  }
  Philox rng({.seed = 0, .stream = Stream::documents});
  windows.random = true;
  windows.ids.emplace_back(kRandomTokens);
  for (std::int32_t& id : windows.ids[0])
    id = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(checkpoint.config().vocab)));
  return windows;
}

Verdict against_itself(const Checkpoint& checkpoint, const VerifyCommand& command) {
  std::vector<Check> checks;
  checks.push_back({"headers and shapes", true,
                    fmt::format("{}, {} tensors in {} file{}", checkpoint.config().architecture,
                                checkpoint.tensors().size(), checkpoint.files().size(),
                                checkpoint.files().size() == 1 ? "" : "s")});
  for (Check& check : verify_weights(checkpoint)) checks.push_back(std::move(check));
  const bool readable = checks.back().passed;
  const TestWindows windows = windows_of(checkpoint, command, checks);
  if (readable) {
    for (Check& check : verify_forward(checkpoint, windows.ids, command.verify))
      if (!windows.random || check.name != kLossCheck) checks.push_back(std::move(check));
  }
  Verdict verdict{.checks = static_cast<int>(checks.size())};
  verdict.json["checks"] = Json::array();
  for (const Check& check : checks) {
    verdict.failures += check.passed ? 0 : 1;
    verdict.text += fmt::format("{:<26} {:<6} {}\n", check.name, word(check.passed), check.detail);
    verdict.json["checks"].push_back(
        {{"name", check.name}, {"passed", check.passed}, {"detail", check.detail}});
  }
  if (!readable) verdict.text += "no forward pass: the weights are damaged\n";
  return verdict;
}

int verify(const VerifyCommand& asked) {
  VerifyCommand command = asked;
  ProgressPrinter printer(command.quiet);
  command.verify.progress = [&](const ProgressEvent& event) {
    printer(event);
    return true;
  };
  const Checkpoint checkpoint = Checkpoint::open(command.model);
  print_notes(checkpoint, command.quiet);
  const bool reference = !command.reference.empty();
  const Verdict verdict =
      reference ? against_reference(checkpoint, command) : against_itself(checkpoint, command);
  printer.finish();
  const std::string digest = checkpoint.digest();
  // A reference may hold nothing that this model's tokenizer or weights can be compared with.
  const bool passed = verdict.failures == 0 && verdict.checks > 0;
  if (command.json) {
    Json json = {{"model", checkpoint.name()},
                 {"checkpoint_sha256", digest.empty() ? Json(nullptr) : Json(digest)},
                 {"passed", passed},
                 {"failures", verdict.failures}};
    json.update(verdict.json);
    print_data(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    show("{}:", checkpoint.path().string());
    print_lines(reference ? " " : "\n");
    print_lines(verdict.text);
    if (!digest.empty()) show("checkpoint sha256 {}\n", digest);
    if (verdict.checks == 0)
      show("nothing was compared: not verified\n");
    else
      show("{} of {} checks passed\n", verdict.checks - verdict.failures, verdict.checks);
  }
  return passed ? 0 : exit_code(ErrorKind::verification);
}

}  // namespace

void register_verify(CLI::App& app, Program& program) {
  auto* command =
      app.add_subcommand("verify", "Check a model against another engine's arrays, or against itself");
  command->footer(
      "Examples:\n"
      "  strata verify models/llama-nano\n"
      "  strata verify models/llama-nano --reference references/llama-nano\n"
      "A reference is a directory with ids.npy and any of embd.npy, l_out-<block>.npy, result_norm.npy,\n"
      "logits.npy. Exit code 5 when a check fails.");
  auto o = std::make_shared<VerifyCommand>();
  o->verify.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("-m,--model,MODEL", o->model, "Model to check")->required();
  command->add_option("--reference", o->reference, "Directory of .npy arrays of one forward pass");
  add_number(*command, "--tolerance", o->verify.tolerance, 0.0, 1e6,
             "Largest difference allowed, over the RMS of the token's row, or the value where larger");
  add_text_flags(*command, o->text, "Without a reference: ");
  command->get_option("--chunks")->default_str(std::to_string(kWindows));
  add_number(*command, "-t,--threads", o->verify.threads, 1, 1024, "Threads; changes speed, never a number");
  command
      ->add_option_function<std::string>(
          "--device", [o](const std::string& name) { o->verify.backend = &backend_named(name); },
          "cpu, or cuda: checked against its reference, or against itself and the processor")
      ->default_str("cpu");
  command->add_flag("--json", o->json, "Print JSON");
  command->add_flag("--quiet", o->quiet, "No progress on stderr");
  command->callback([&program, o] { program.run = [o] { return verify(*o); }; });
}

}  // namespace strata
