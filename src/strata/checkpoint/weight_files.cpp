#include "strata/checkpoint/weight_files.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/names_in.h"
#include "strata/checkpoint/strict_json.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapterConfig = "adapter_config.json";
constexpr const char* kExpected = "model.safetensors or model.safetensors.index.json";
constexpr std::size_t kMaxAdapterBytes = 1 << 20;

// A path that cannot be looked up is as good as absent.
bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

struct ShardName {
  int number = 0, count = 0;
};
// "model-00002-of-00003.safetensors" -> 2, 3
std::optional<ShardName> parse_shard(const std::string& file) {
  constexpr std::string_view kBegin = "model-", kPattern = "model-00001-of-00001.safetensors";
  if (file.size() != kPattern.size() || !file.starts_with(kBegin) || !file.ends_with(".safetensors") ||
      file.substr(11, 4) != "-of-")
    return std::nullopt;
  const auto number = [&](std::size_t at) {
    int value = 0;
    const auto result = std::from_chars(file.data() + at, file.data() + at + 5, value);
    return result.ec == std::errc() && result.ptr == file.data() + at + 5 ? value : -1;
  };
  const ShardName name{number(6), number(15)};
  if (name.count < 1 || name.number < 1 || name.number > name.count) return std::nullopt;
  return name;
}

// All shards of the set that lies there; two sets are no set.
std::vector<fs::path> find_set(const fs::path& directory) {
  std::vector<fs::path> files;
  int count = 0;
  for (const std::string& name : names_in(directory)) {
    const auto shard = parse_shard(name);
    if (!shard) continue;
    if (count != 0 && shard->count != count) {
      throw Error(ErrorKind::bad_file,
                  {.where = (directory / name).string(),
                   .found = fmt::format("a shard of {} beside shards of {}", shard->count, count),
                   .expected = "one set, or model.safetensors.index.json"});
    }
    count = shard->count;
    files.push_back(directory / name);
  }
  for (int i = 1; i <= count; ++i) {
    const fs::path shard = directory / fmt::format("model-{:05}-of-{:05}.safetensors", i, count);
    if (static_cast<std::size_t>(count) == files.size()) break;
    if (is_there(shard)) continue;
    throw Error(ErrorKind::bad_file, {.where = shard.string(),
                                      .found = "missing shard",
                                      .expected = fmt::format("all {} shards of the model", count),
                                      .hint = "download it again: hf download"});
  }
  return files;
}

std::string base_model(const fs::path& directory) {
  try {
    const auto config = parse_strict_json(read_file(directory / kAdapterConfig, kMaxAdapterBytes),
                                          (directory / kAdapterConfig).string());
    const auto base = config.find("base_model_name_or_path");
    if (base != config.end() && base->is_string()) return printable(base->get_ref<const std::string&>());
  } catch (const Error&) {  // a damaged file names no base; the message does without
  }
  return {};
}

}  // namespace

WeightFiles find_weight_files(const fs::path& directory) {
  WeightFiles found;
  if (is_there(directory / "model.safetensors")) {
    found.files = {directory / "model.safetensors"};
  } else if (is_there(directory / "model.safetensors.index.json")) {
    found.index = directory / "model.safetensors.index.json";
  } else if (found.files = find_set(directory); !found.files.empty()) {
    return found;
  } else if (is_there(directory / "consolidated.safetensors")) {
    found.files = {directory / "consolidated.safetensors"};
  }
  return found;
}

bool has_weights(const fs::path& directory) {
  for (const std::string& file : names_in(directory)) {
    if (file == "model.safetensors.index.json" || file == "pytorch_model.bin" ||
        file == "pytorch_model.bin.index.json" || file == "consolidated.00.pth" ||
        file.ends_with(".safetensors"))
      return true;
  }
  return false;
}

bool is_usual_weight_name(const std::string& file) {
  return file == "model.safetensors" || parse_shard(file).has_value();
}

std::string adapter_note(const fs::path& directory) {
  if (!is_there(directory / kAdapterConfig)) return {};
  const std::string base = base_model(directory);
  return fmt::format(
      "{}: an adapter{} lies beside the weights and is not applied; transformers with peft would apply it",
      kAdapterConfig, base.empty() ? "" : fmt::format(" for {}", base));
}

void refuse_adapter(const fs::path& directory) {
  if (!is_there(directory / kAdapterConfig)) return;
  const std::string base = base_model(directory);
  throw Error(ErrorKind::unsupported,
              {.where = (directory / kAdapterConfig).string(),
               .found = "an adapter" + (base.empty() ? std::string() : fmt::format(" for {}", base)),
               .expected = "a whole model",
               .hint = "merge it into its base model (peft: merge_and_unload) and give the result"});
}

void refuse_without_weights(const fs::path& directory) {
  refuse_adapter(directory);
  for (const char* other : {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"}) {
    if (!is_there(directory / other)) continue;
    throw Error(ErrorKind::unsupported, {.where = (directory / other).string(),
                                         .found = "weights as a Python pickle",
                                         .expected = kExpected,
                                         .hint = "a pickle can run code; convert it to safetensors"});
  }
  Problem problem{.where = directory.string(), .found = "no weights", .expected = kExpected};
  for (const std::string& file : names_in(directory)) {
    if (!file.ends_with(".safetensors")) continue;
    problem.found += fmt::format(" under the usual names, but {}", printable(file));
    problem.hint = "give the path of that file, or rename it";
    break;
  }
  throw Error(ErrorKind::bad_file, problem);
}

}  // namespace strata
