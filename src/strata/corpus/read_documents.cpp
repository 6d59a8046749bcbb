#include "strata/corpus/read_documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "strata/base/error.h"
#include "strata/corpus/folder.h"
#include "strata/corpus/json_record.h"
#include "strata/corpus/json_values.h"
#include "strata/corpus/recognise.h"
#include "strata/corpus/text_input.h"
#include "strata/corpus/token_ids.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamedSkipped = 8;

bool blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// A few names, and how many more there are.
std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kNamedSkipped); ++i)
    out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamedSkipped) out += fmt::format(" and {} more", names.size() - kNamedSkipped);
  return out;
}

// Reads inputs one after the other and remembers what there is to say about them.
class DocumentReader {
 public:
  DocumentReader(const ReadOptions& options, const std::function<void(RawDocument&&)>& document)
      : options_(options), document_(document), format_(parse_text_format(options.text_format)) {
    if (!options.ids_dtype.empty()) check_ids_dtype(options.ids_dtype);
  }

  void read_path(const fs::path& path) {
    std::error_code ignored;
    if (path == "-" || !fs::is_directory(path, ignored)) return read_file(path, "", false);
    const FolderFiles found = files_of_folder(path, options_.recursive);
    if (found.files.empty()) {
      const bool nested = found.folders > 0;
      throw Error(ErrorKind::bad_file,
                  {.where = path.string(),
                   .found = nested ? fmt::format("no file in this directory, only {} inside it",
                                                 found.folders == 1 ? "a folder" : "folders")
                                   : "no file in this directory",
                   .expected = "text files",
                   .hint = nested ? "-r reads the folders inside" : ""});
    }
    if (found.folders > 0) {
      remarks_.notes.push_back(
          fmt::format("{}: {} inside {} not read; -r reads {}", path.string(),
                      found.folders == 1 ? "a folder" : fmt::format("{} folders", found.folders),
                      found.folders == 1 ? "was" : "were", found.folders == 1 ? "it" : "them"));
    }
    if (!found.skipped.empty()) {
      remarks_.warnings.push_back(fmt::format("{}: left out, because it is no file or leads to none: {}",
                                              path.string(), listed(found.skipped)));
    }
    const std::string prefix = options_.paths.size() > 1 ? folder_name(path) + "/" : "";
    for (std::size_t i = 0; i < found.files.size(); ++i)
      read_file(found.files[i], prefix + found.names[i], true);
    say_about_texts(found);
  }

  ReadRemarks finish() {
    const auto unused = [](const char* option, const std::string& value, const char* expected) {
      throw Error(ErrorKind::usage, {.option = option,
                                     .found = fmt::format("'{}', but nothing needed it", value),
                                     .expected = expected});
    };
    if (!options_.text_key.empty() && !saw_json_)
      unused("text_key", options_.text_key, "JSON among the texts");
    if (!options_.ids_dtype.empty() && !saw_raw_ids_)
      unused("ids_dtype", options_.ids_dtype, "a file of token ids without a header");
    if (chats_ > 0) {
      remarks_.notes.push_back(fmt::format(
          "{} conversation{}: the turns' contents, joined by empty lines, without roles; the model's chat "
          "template is not applied",
          chats_, chats_ == 1 ? "" : "s"));
    }
    if (parts_ > 0) {
      remarks_.warnings.push_back(fmt::format(
          "{} parts of conversations are no text (pictures, tool calls) and were left out", parts_));
    }
    if (empty_ > 0) remarks_.notes.push_back(fmt::format("left out, no text: {} documents", empty_));
    return std::move(remarks_);
  }

  void read_input(TextInput& input, std::string name, bool in_folder);

 private:
  static std::string folder_name(const fs::path& path) {
    auto whole = fs::absolute(path).lexically_normal();
    if (whole.filename().empty()) whole = whole.parent_path();
    return whole.filename().string();
  }

  // `name`: empty for an input that was named itself.
  void read_file(const fs::path& path, std::string name, bool in_folder) {
    TextInput input(path);
    read_input(input, std::move(name), in_folder);
  }

  void give_ids(const std::string& name, std::vector<std::int64_t>&& ids) {
    document_({.name = name, .text = {}, .ids = std::move(ids)});
  }

  void read_npy(TextInput& input, const std::string& name) {
    const std::string bytes = input.read_all(options_.limit_bytes);
    read_npy_ids(bytes, input.where(), [&](std::vector<std::int64_t>&& ids, std::int64_t row) {
      give_ids(row < 0 ? name : fmt::format("{}:{}", name, row + 1), std::move(ids));
    });
  }

  void read_text(TextInput& input, const std::string& name) {
    std::string text = input.read_all(options_.limit_bytes);
    require_utf8(text, 0, format_, input.where());
    if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
    give_text(name, std::move(text));
  }

  // Pieces between separators; empty ones (a separator at an end, or two in a row) are no documents.
  void give_text(const std::string& name, std::string&& text) {
    if (!end_of_text_) end_of_text_ = options_.end_of_text ? options_.end_of_text() : std::string();
    if (text.empty()) return;
    if (end_of_text_->empty() || text.find(*end_of_text_) == std::string::npos)
      return document_({.name = name, .text = std::move(text)});
    std::size_t number = 0;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(*end_of_text_, at), text.size());
      std::string piece = text.substr(at, end - at);
      at = end + end_of_text_->size();
      if (!blank(piece)) document_({.name = fmt::format("{}#{}", name, ++number), .text = std::move(piece)});
    }
  }

  // One object among texts that has no text is about them (meta.json); two are a data set with another key.
  struct Held {
    std::string json, where, name;
  };

  void read_json(TextInput& input, const std::string& name, bool in_folder) {
    saw_json_ = true;
    std::vector<std::int64_t> list;  // ids that stand at the top, as [1, 2, 3]
    std::size_t list_of = 0;
    std::optional<Held> held;
    std::size_t values = 0;
    const auto flush = [&] {
      if (list.empty()) return;
      give_ids(list_of == 1 ? name : fmt::format("{}:{}", name, list_of), std::move(list));
      list.clear();
    };
    for_each_json_value(input, options_.limit_bytes, [&](std::string_view json, const JsonPlace& place) {
      ++values;
      require_utf8(json, place.offset_bytes, TextFormat::automatic, input.where());
      if (held) record(held->json, held->where, held->name);  // throws
      if (list_of != place.top_value) flush();
      if (place.element > 0 && add_number(json, list)) {
        list_of = place.top_value;
        return;
      }
      const bool element = place.element > 0 && place.top_value == 1;
      const std::string where =
          element ? fmt::format("{}: element {} (line {})", input.where(), place.element, place.line)
                  : fmt::format("{}: line {}", input.where(), place.line);
      const std::string record_name = fmt::format("{}:{}", name, element ? place.element : place.line);
      if (in_folder && values == 1 && place.element == 0 && lacks_text(json, options_.text_key)) {
        held = Held{std::string(json), where, record_name};
        return;
      }
      record(json, where, record_name);
    });
    flush();
    if (held) left_out_.push_back(name);
  }

  void record(std::string_view json, const std::string& where, const std::string& name) {
    std::size_t number = 0;
    read_record(json, options_.text_key, where, [&](RecordContent&& content) {
      const std::string own = ++number == 1 ? name : fmt::format("{}.{}", name, number);
      chats_ += content.is_chat ? 1 : 0;
      parts_ += content.left_out_parts;
      if (content.is_ids) return give_ids(own, std::move(content.ids));
      if (content.text.empty()) ++empty_;
      give_text(own, std::move(content.text));
    });
  }

  static bool add_number(std::string_view json, std::vector<std::int64_t>& list) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), id);
    if (error != std::errc{} || end != json.data() + json.size()) return false;
    list.push_back(id);
    return true;
  }

  void say_about_texts(const FolderFiles& found) {
    std::vector<std::string> about;
    for (const std::string& name : found.names) {
      if (!is_about_texts(name)) continue;
      const bool skipped = std::any_of(left_out_.begin(), left_out_.end(),
                                       [&](const std::string& out) { return out.ends_with(name); });
      if (!skipped) about.push_back(name);
    }
    if (!about.empty() && about.size() < found.names.size()) {
      remarks_.warnings.push_back(
          fmt::format("measured as documents, though their names say that they are about the texts: {}; move "
                      "them away if "
                      "they are",
                      listed(about)));
    }
    if (!left_out_.empty()) {
      if (left_out_.size() == found.files.size()) {  // no text at all: the first one's keys say more
        throw Error(
            ErrorKind::bad_file,
            {.where = found.files[0].string(),
             .found = fmt::format("no key \"{}\"", options_.text_key.empty() ? "text" : options_.text_key),
             .expected = "the text at that key",
             .hint = "name the key with --text-key"});
      }
      remarks_.warnings.push_back(
          fmt::format("left out, because they are JSON without a text: {}; --text-key names another key",
                      listed(left_out_)));
      left_out_.clear();
    }
  }

  const ReadOptions& options_;
  const std::function<void(RawDocument&&)>& document_;
  TextFormat format_;
  std::optional<std::string> end_of_text_;
  std::set<std::string> named_;
  std::vector<std::string> left_out_;
  bool saw_json_ = false, saw_raw_ids_ = false;
  std::size_t chats_ = 0, parts_ = 0, empty_ = 0;
  ReadRemarks remarks_;
};

void DocumentReader::read_input(TextInput& input, std::string name, bool in_folder) {
  if (name.empty()) {
    name = input.name();
    // Two files of one name are told apart by their paths.
    if (!named_.insert(name).second) name = input.where();
  }
  if (!options_.ids_dtype.empty() && !input.head().starts_with("\x93NUMPY")) {
    saw_raw_ids_ = true;
    const std::string bytes = input.read_all(options_.limit_bytes);
    return give_ids(name, read_raw_ids(bytes, options_.ids_dtype, input.where()));
  }
  switch (recognise(input.head(), input.extension(), format_, input.where())) {
    case ContentKind::npy:
      return read_npy(input, name);
    case ContentKind::json:
      return read_json(input, name, in_folder);
    case ContentKind::text:
      return read_text(input, name);
  }
}

}  // namespace

std::string text_name(const std::vector<fs::path>& paths) {
  const auto name_of = [](const fs::path& path) {
    if (path == "-" || path == "/dev/stdin" || path == "/dev/fd/0") return std::string("stdin");
    auto name = fs::absolute(path).lexically_normal();
    if (name.filename().empty()) name = name.parent_path();
    std::error_code ignored;
    return fs::is_fifo(name, ignored) ? std::string("pipe") : name.filename().string();
  };
  if (paths.empty()) return "text";
  const std::string first = name_of(paths.front());
  return paths.size() == 1 ? first : fmt::format("{} and {} more", first, paths.size() - 1);
}

ReadRemarks read_document_bytes(std::string bytes, const std::string& name, const ReadOptions& options,
                                const std::function<void(RawDocument&&)>& document) {
  DocumentReader reader(options, document);
  TextInput input(std::move(bytes), name);
  reader.read_input(input, name, false);
  return reader.finish();
}

ReadRemarks read_documents(const ReadOptions& options, const std::function<void(RawDocument&&)>& document) {
  std::size_t documents = 0;
  const std::function<void(RawDocument &&)> counted = [&](RawDocument&& one) {
    ++documents;
    document(std::move(one));
  };
  DocumentReader reader(options, counted);
  for (const fs::path& path : options.paths) reader.read_path(path);
  if (documents == 0) {
    throw Error(ErrorKind::bad_file, {.where = options.paths.empty() ? "text" : options.paths[0].string(),
                                      .found = "empty text",
                                      .expected = "at least 2 tokens of text"});
  }
  return reader.finish();
}

std::vector<RawDocument> read_documents(const fs::path& path, std::string_view end_of_text) {
  std::vector<RawDocument> documents;
  (void)read_documents({.paths = {path}, .end_of_text = [&] { return std::string(end_of_text); }},
                       [&](RawDocument&& one) { documents.push_back(std::move(one)); });
  return documents;
}

}  // namespace strata
