#include "strata/checkpoint/shards.h"

#include <fmt/format.h>

#include "strata/base/error.h"
#include "strata/checkpoint/strict_json.h"
#include "strata/checkpoint/weight_files.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMaxIndexBytes = 100'000'000;

[[noreturn]] void bad(const fs::path& where, std::string found, std::string expected) {
  throw Error(ErrorKind::bad_file,
              {.where = where.string(), .found = std::move(found), .expected = std::move(expected)});
}

// A path that cannot be looked up is as good as absent.
bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

// A name from the index must not lead out of the directory.
void check_plain_name(const std::string& name, const fs::path& index) {
  const bool plain = !name.empty() && name.find('/') == std::string::npos &&
                     name.find('\\') == std::string::npos && name.find("..") == std::string::npos &&
                     name.find('\0') == std::string::npos;
  if (!plain)
    bad(index, fmt::format("shard \"{}\"", printable(name)), "a plain file name in the same directory");
}

// Tensor name -> shard name.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const json index = parse_strict_json(read_file(path, kMaxIndexBytes), path.string());
  const auto found = index.find("weight_map");
  if (found == index.end() || !found->is_object() || found->empty()) {
    bad(path, "no weight_map", "an object from tensor names to shard files");
  }
  std::map<std::string, std::string> shard_of;
  for (const auto& [tensor, shard] : found->items()) {
    if (!shard.is_string()) bad(path, fmt::format("no file name for \"{}\"", printable(tensor)), "a string");
    check_plain_name(shard.get_ref<const std::string&>(), path);
    shard_of[tensor] = shard.get<std::string>();
  }
  return shard_of;
}

void add_file(Shards& shards, const fs::path& path) {
  const std::size_t file = shards.maps.size();
  shards.paths.push_back(path);
  shards.maps.emplace_back(path);
  for (TensorInfo& tensor : parse_safetensors_header(shards.maps.back().bytes(), path.string())) {
    tensor.file = file;
    shards.add(std::move(tensor));
  }
}

Shards open_indexed(const fs::path& directory, const fs::path& index) {
  const auto shard_of = read_index(index);
  std::map<std::string, std::size_t> file_of_shard;
  for (const auto& [tensor, shard] : shard_of) file_of_shard.emplace(shard, 0);
  Shards shards;
  for (auto& [shard, file] : file_of_shard) {
    if (!is_there(directory / shard)) {
      bad(directory / shard, "missing shard",
          fmt::format("the file that {} names", index.filename().string()));
    }
    file = shards.maps.size();
    add_file(shards, directory / shard);
  }
  for (const auto& [tensor, shard] : shard_of) {
    const auto found = shards.tensors.find(tensor);
    if (found == shards.tensors.end() || found->second.file != file_of_shard.at(shard)) {
      bad(directory / shard, fmt::format("no tensor \"{}\"", printable(tensor)),
          "it here, as " + index.filename().string() + " says");
    }
  }
  for (const auto& [name, tensor] : shards.tensors) {
    if (!shard_of.contains(name)) {
      bad(shards.paths[tensor.file],
          fmt::format("tensor \"{}\" that the index does not list", printable(name)), "only listed tensors");
    }
  }
  return shards;
}

}  // namespace

void Shards::add(TensorInfo tensor) {
  const auto [other, is_new] = tensors.emplace(tensor.name, tensor);
  if (is_new) return;
  bad(paths[tensor.file],
      fmt::format("tensor \"{}\" is also in {}", printable(tensor.name),
                  paths[other->second.file].filename().string()),
      "each tensor in one file");
}

Shards open_shards(const fs::path& directory, const fs::path& file) {
  const WeightFiles weights =
      file.empty() ? find_weight_files(directory) : WeightFiles{.files = {file}, .index = {}};
  if (weights.none()) refuse_without_weights(directory);
  if (!weights.index.empty()) return open_indexed(directory, weights.index);
  Shards shards;
  for (const fs::path& path : weights.files) add_file(shards, path);
  return shards;
}

}  // namespace strata
