// What a text may come as, told by its content: each form is read, or refused by its name with a way on.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <fstream>
#include <thread>

#include "strata/base/error.h"
#include "strata/corpus/read_documents.h"
#include "tests/support/paths.h"

namespace strata {
namespace {

using namespace std::string_literals;
namespace fs = std::filesystem;
using Strings = std::vector<std::string>;
using IdList = std::vector<std::int64_t>;

class Formats : public testing::Test {
 protected:
  fs::path put(const std::string& name, std::string_view content) {
    test::write_text(dir_.path() / name, content);
    return dir_.path() / name;
  }
  // Reads and keeps names, texts, ids and remarks.
  void read(ReadOptions options) {
    names_.clear();
    texts_.clear();
    ids_.clear();
    remarks_ = read_documents(options, [&](RawDocument&& document) {
      names_.push_back(document.name);
      if (document.ids) {
        ids_.push_back(*document.ids);
      } else {
        texts_.push_back(document.text);
      }
    });
  }
  Strings texts(const fs::path& path, const std::string& key = "") {
    read({.paths = {path}, .text_key = key});
    return texts_;
  }
  std::vector<IdList> ids(const fs::path& path, const std::string& dtype = "") {
    read({.paths = {path}, .ids_dtype = dtype});
    return ids_;
  }
  void refused(const fs::path& path, const char* found, const char* hint, ReadOptions options = {}) {
    SCOPED_TRACE(path.string());
    options.paths = {path};
    const auto call = [&] { read(options); };
    EXPECT_STRATA_ERROR(call(), ErrorKind::bad_file, found);
    EXPECT_STRATA_ERROR(call(), ErrorKind::bad_file, hint);
    EXPECT_STRATA_ERROR(call(), ErrorKind::bad_file, path.filename().string().c_str());
  }
  test::TemporaryDirectory dir_;
  Strings names_, texts_;
  std::vector<IdList> ids_;
  ReadRemarks remarks_;
};

std::string gzip(std::string_view bytes) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(bytes.size() + 1000, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
  return out;
}

std::string npy(const std::string& descr, const std::string& shape, std::string_view data,
                bool fortran = false) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + shape + ", }";
  header += std::string(63 - (10 + header.size()) % 64, ' ') + "\n";
  std::string file = "\x93NUMPY\x01\x00"s;
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return file + header + std::string(data);
}

TEST_F(Formats, JsonLinesUnderAnyName) {
  const std::string lines = "{\"text\": \"a\"}\n{\"text\": \"b\\n\"}\n";
  for (const char* name : {"a.jsonl", "a.json", "a.ndjson", "a.JSONL", "a.txt", "a", "a.jsonl.bak"}) {
    EXPECT_EQ(texts(put(name, lines)), (Strings{"a", "b\n"})) << name;
    EXPECT_EQ(names_, (Strings{name + ":1"s, name + ":2"s}));
  }
}

TEST_F(Formats, JsonLists) {
  EXPECT_EQ(texts(put("a.json", "[{\"text\": \"a\"},\n {\"text\": \"b\"}]")), (Strings{"a", "b"}));
  EXPECT_EQ(names_, (Strings{"a.json:1", "a.json:2"}));
  EXPECT_EQ(texts(put("b.txt", " [\"one\", \"two ]\"]\n")), (Strings{"one", "two ]"}));
  // Indented, and one object after the other, as jq writes.
  EXPECT_EQ(texts(put("c.txt", "{\n  \"text\": \"a\"\n}\n{\n  \"text\": \"b\"\n}\n")), (Strings{"a", "b"}));
  EXPECT_EQ(texts(put("d.jsonl", "\"one\"\n\"two\"\n")), (Strings{"one", "two"}));
}

TEST_F(Formats, ProseThatBeginsLikeJsonIsProse) {
  for (const char* prose : {"[1] Introduction\nText.", "[[a link]] and more", "{\\it slanted} text",
                            "{ a set }", "[Music] Hello", "\"Hello,\" she said.", "\"Hello.\"",
                            "[x, y] is an interval", "ORCs are PAR1 of GGUF", "BZh is no word", "RIFF"}) {
    EXPECT_EQ(texts(put("a.txt", prose)), (Strings{prose})) << prose;
  }
}

TEST_F(Formats, BrokenJsonIsNoProse) {
  refused(put("a.txt", "{\"text\": \"a\"}\n{\"text\": \"b\"\n"), "line 2: not JSON", "--text-format text");
  refused(put("b.txt", "[{\"text\": \"a\"}, {\"text\"]"), "element 2 (line 1): not JSON",
          "--text-format text");
  refused(put("c.json", "[{\"text\": \"a\"}, "), "a JSON list that does not end", "again");
  refused(put("d.json", "hello"), "line 1: not JSON", "--text-format text");
  refused(put("e.json", "[{\"text\": \"a\"}] trailing"), "line 1: not JSON", "--text-format text");
  read({.paths = {put("f.json", "{\"text\": \"a\"}")}, .text_format = "text"});
  EXPECT_EQ(texts_, (Strings{"{\"text\": \"a\"}"}));
}

TEST_F(Formats, AKeyOfAnotherNameIsNamedAndMayBeChosen) {
  const auto path = put("a.jsonl", "{\"id\": 7, \"body\": \"long text\", \"meta\": {\"t\": \"x\"}}\n");
  refused(path, "no key \"text\"; the keys are \"body\" (a string), \"id\" (a number), \"meta\" (an object)",
          "--text-key body");
  EXPECT_EQ(texts(path, "body"), (Strings{"long text"}));
  EXPECT_EQ(texts(path, "meta.t"), (Strings{"x"}));
  refused(path, "no key \"meta.u\"", "--text-key body", {.text_key = "meta.u"});
  refused(path, "\"id\" is a number", "--text-key", {.text_key = "id"});
  EXPECT_EQ(texts(put("b.jsonl", "{\"a.b\": \"dotted\"}"), "a.b"), (Strings{"dotted"}));
  // A list on the way has a document in each element.
  EXPECT_EQ(texts(put("c.json",
                      "{\"data\": [{\"p\": [{\"c\": \"1\"}, {\"c\": \"2\"}]}, {\"p\": [{\"c\": \"3\"}]}]}"),
                  "data.p.c"),
            (Strings{"1", "2", "3"}));
  const auto unused = [&] { (void)texts(put("d.txt", "prose"), "body"); };
  EXPECT_STRATA_ERROR(unused(), ErrorKind::usage, "text_key: 'body', but nothing needed it");
}

TEST_F(Formats, NanOfPythonIsNoText) {
  EXPECT_EQ(texts(put("a.jsonl", "{\"text\": \"NaN Infinity\", \"x\": NaN, \"y\": [-Infinity, Infinity]}")),
            (Strings{"NaN Infinity"}));
  refused(put("b.jsonl", "{\"text\": NaN}"), "\"text\" is null", "remove such records");
  refused(put("c.jsonl", "{\"text\": \"a\", \"x\": XNaN}"), "not JSON", "--text-format");
}

TEST_F(Formats, Conversations) {
  const auto path =
      put("a.jsonl",
          "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", "
          "\"content\": [{\"type\": \"text\", \"text\": \"Yes\"}, {\"type\": \"image\"}]}, "
          "{\"role\": \"tool\", \"content\": null}]}\n");
  EXPECT_EQ(texts(path), (Strings{"Hi\n\nYes"}));
  ASSERT_EQ(remarks_.notes.size(), 1u);
  EXPECT_NE(remarks_.notes[0].find("template is not applied"), std::string::npos);
  ASSERT_EQ(remarks_.warnings.size(), 1u);
  EXPECT_NE(remarks_.warnings[0].find("2 parts"), std::string::npos);
  const auto shared = put("b.json", "[{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}]");
  EXPECT_EQ(texts(shared), (Strings{"a"}));
  refused(put("d.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": 3}]}"),
          "a turn whose content is a number", "expected");
}

TEST_F(Formats, CompressedTextIsReadThrough) {
  const std::string lines = "{\"text\": \"a\"}\n{\"text\": \"b\"}\n";
  EXPECT_EQ(texts(put("a.jsonl.gz", gzip(lines))), (Strings{"a", "b"}));
  EXPECT_EQ(texts(put("a.txt.zst", zstd("prose"))), (Strings{"prose"}));
  EXPECT_EQ(names_, (Strings{"a.txt.zst"}));
  EXPECT_EQ(texts(put("b", gzip("one, ") + gzip("two") + std::string(512, '\0'))), (Strings{"one, two"}));
  EXPECT_EQ(texts(put("c", zstd("one, ") + "\x50\x2a\x4d\x18\x02\0\0\0xx"s + zstd("two"))),
            (Strings{"one, two"}));
  EXPECT_EQ(ids(put("d.npy.gz", gzip(npy("<u2", "(2,)", "\1\0\2\0"s)))), (std::vector<IdList>{{1, 2}}));
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(texts(put("e.gz", gzip(large))).at(0).size(), large.size());
}

TEST_F(Formats, DamagedCompressionIsRefused) {
  const std::string sound = gzip(std::string(1000, 'a') + "b");
  refused(put("a.gz", sound.substr(0, sound.size() - 9)), "end early", "again");
  std::string flipped = sound;
  flipped[sound.size() - 6] = static_cast<char>(flipped[sound.size() - 6] ^ 1);  // the checksum
  refused(put("b.gz", flipped), "damaged gzip data", "again");
  refused(put("c.gz", sound + "trailing"), "damaged gzip data", "again");
  const std::string frame = zstd(std::string(1000, 'a') + "b");
  refused(put("a.zst", frame.substr(0, frame.size() - 1)), "end early", "again");
  refused(put("b.zst", frame + "trailing"), "Zstandard data that cannot be read", "zstd -dc");
  refused(put("d.gz", gzip(sound)), "gzip data inside gzip data", "once");
}

TEST_F(Formats, WhatIsNotTextIsNamedWithAWayOn) {
  const auto binary = "\0\xff\x80 more"s;
  refused(put("a.parquet", "PAR1" + binary), "a Parquet file", "to_json");
  refused(put("a.txt", "PK\x03\x04" + binary), "a zip archive", "unpack");
  refused(put("b.txt", "%PDF-1.7\n"), "a PDF document", "pdftotext");
  refused(put("c", "BZh91AY&SY" + binary), "bzip2 data", "bzip2 -dc");
  refused(put("d", "\xfd\x37zXZ\0"s + binary), "xz data", "xz -dc");
  refused(put("e.arrow", "ARROW1" + binary), "an Arrow file", "JSON lines");
  refused(put("f.html", "\n<!DOCTYPE HTML><html>"), "an HTML page", "--text-format text");
  refused(put("g", "<?xml version=\"1.0\"?><a/>"), "XML", "--text-format text");
  refused(put("h.csv", "text,label\na,1\n"), "a table", "--text-format text");
  refused(put("i.gguf", "GGUF\3\0\0\0"s + binary), "a GGUF model", "name a text");
  refused(put("j.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "a Git LFS pointer",
          "git lfs pull");
  refused(put("k.pkl", "\x80\x04" + binary), "a Python pickle", "JSON lines");
  refused(put("l.npy", "no array"), "no .npy file", "numpy.save");
  std::string tar(600, '\0');
  tar.replace(257, 5, "ustar");
  refused(put("m.tar", tar), "a tar archive", "unpack");
  refused(put("m.tar.gz", gzip(tar)), "a tar archive", "unpack");
  read({.paths = {put("n.html", "<html>")}, .text_format = "text"});
  EXPECT_EQ(texts_, (Strings{"<html>"}));
}

std::string wide(const std::string& ascii, int bytes, bool big) {
  std::string out;
  for (const char c : ascii) {
    std::string one(static_cast<std::size_t>(bytes), '\0');
    one[big ? static_cast<std::size_t>(bytes) - 1 : 0] = c;
    out += one;
  }
  return out;
}

TEST_F(Formats, OtherEncodingsAreNamed) {
  const std::string text = "The quick brown fox jumps over the lazy dog.\n";
  refused(put("a.txt", wide(text, 2, false)), "text in UTF-16LE", "iconv -f UTF-16LE -t UTF-8");
  refused(put("b.txt", wide(text, 2, true)), "text in UTF-16BE", "iconv -f UTF-16BE");
  refused(put("c.txt", wide(text, 4, false)), "text in UTF-32LE", "iconv -f UTF-32LE");
  refused(put("d.txt", wide(text, 4, true)), "text in UTF-32BE", "iconv -f UTF-32BE");
  refused(put("e.txt", "\xff\xfe" + wide(text, 2, false)), "text in UTF-16LE", "iconv");
  refused(put("f.txt", "caf\xe9 au lait"), "invalid UTF-8 at byte 3", "iconv");
  refused(put("g.txt", "one\0two"s), "a zero byte at byte 3", "--ids-dtype");
  refused(put("h.json", wide("[\"text\", \"more text\"]", 2, false)), "text in UTF-16LE", "iconv");
}

TEST_F(Formats, IdsOfAnyIntegerType) {
  const std::vector<IdList> expected{{1, 200, 3}};
  EXPECT_EQ(ids(put("a.npy", npy("|u1", "(3,)", "\1\xc8\3"s))), expected);
  EXPECT_EQ(ids(put("a.npy", npy("<u2", "(3,)", "\1\0\xc8\0\3\0"s))), expected);
  EXPECT_EQ(ids(put("a.npy", npy(">u2", "(3,)", "\0\1\0\xc8\0\3"s))), expected);
  EXPECT_EQ(ids(put("a.npy", npy("<i4", "(3,)", "\1\0\0\0\xc8\0\0\0\3\0\0\0"s))), expected);
  EXPECT_EQ(ids(put("a.npy", npy(">i4", "(3,)", "\0\0\0\1\0\0\0\xc8\0\0\0\3"s))), expected);
  EXPECT_EQ(ids(put("under another name", npy("<u4", "(3,)", "\1\0\0\0\xc8\0\0\0\3\0\0\0"s))), expected);
  EXPECT_EQ(ids(put("a.npy", npy("|i1", "(2,)", "\1\xff"s))), (std::vector<IdList>{{1, -1}}));
  EXPECT_EQ(ids(put("a.npy", npy("<i8", "(1,)", std::string(8, '\xff')))), (std::vector<IdList>{{-1}}));
}

TEST_F(Formats, RowsOfIdsAreDocuments) {
  EXPECT_EQ(ids(put("a.npy", npy("<u2", "(2, 3)", "\1\0\2\0\3\0\4\0\5\0\6\0"s))),
            (std::vector<IdList>{{1, 2, 3}, {4, 5, 6}}));
  EXPECT_EQ(names_, (Strings{"a.npy:1", "a.npy:2"}));
  EXPECT_EQ(ids(put("a.npy", npy("<u2", "(2, 3)", "\1\0\4\0\2\0\5\0\3\0\6\0"s, true))),
            (std::vector<IdList>{{1, 2, 3}, {4, 5, 6}}));
  put("ids/b.npy", npy("<u2", "(1,)", "\1\0"s));
  put("ids/c.npy", npy("|u1", "(2,)", "\2\3"s));
  EXPECT_EQ(ids(dir_.path() / "ids"), (std::vector<IdList>{{1}, {2, 3}}));
  EXPECT_EQ(names_, (Strings{"b.npy", "c.npy"}));
}

TEST_F(Formats, ArraysThatAreNoIdsAreRefused) {
  refused(put("a.npy", npy("<f4", "(1,)", std::string(4, '\0'))), "floating-point values", "astype");
  refused(put("b.npy", npy("|O", "(1,)", std::string(4, '\0'))), "dtype |O", "astype");
  refused(put("c.npy", npy("<i4", "(1, 1, 1)", std::string(4, '\0'))), "3 dimensions",
          "document in each row");
  refused(put("d.npy", npy("<i4", "(2,)", std::string(4, '\0'))), "4 bytes of data", "2 values of 4 bytes");
  refused(put("e.npy", npy("<i4", "(4294967296, 4294967296)", "")), "a shape that overflows", "fits");
  refused(put("f.npy", npy("<i4", "(100000000000, 0)", "")), "empty text", "expected");
  refused(put("g.npy", npy("<u8", "(1,)", std::string(8, '\xff'))), "id 18446744073709551615", "token id");
}

TEST_F(Formats, IdsInJson) {
  EXPECT_EQ(ids(put("a.jsonl", "{\"input_ids\": [1, 2]}\n{\"input_ids\": [3]}\n")),
            (std::vector<IdList>{{1, 2}, {3}}));
  EXPECT_EQ(ids(put("b.jsonl", "{\"input_ids\": [0, 1, 2, 0], \"attention_mask\": [0, 1, 1, 0]}")),
            (std::vector<IdList>{{1, 2}}));
  EXPECT_EQ(ids(put("c.json", "[1, 2, 3]")), (std::vector<IdList>{{1, 2, 3}}));
  EXPECT_EQ(ids(put("d.json", "[[1, 2], [3]]")), (std::vector<IdList>{{1, 2}, {3}}));
  EXPECT_EQ(ids(put("e.jsonl", "[1, 2]\n[3]\n")), (std::vector<IdList>{{1, 2}, {3}}));
  EXPECT_EQ(ids(put("f.jsonl", "{\"input_ids\": [[1, 2], [3, 4]]}")), (std::vector<IdList>{{1, 2}, {3, 4}}));
  // Text is what the model reads; the ids are another tokenizer's as likely as not.
  EXPECT_EQ(texts(put("g.jsonl", "{\"input_ids\": [1], \"text\": \"a\"}")), (Strings{"a"}));
  read({.paths = {put("g.jsonl", "{\"input_ids\": [1], \"text\": \"a\"}")}, .text_key = "input_ids"});
  EXPECT_EQ(ids_, (std::vector<IdList>{{1}}));
  refused(put("h.jsonl", "{\"input_ids\": [1, 2, 3], \"attention_mask\": [1, 0, 1]}"), "a gap", "padding");
  refused(put("i.jsonl", "{\"input_ids\": [1, 2], \"attention_mask\": [1]}"), "does not fit", "each id");
  refused(put("j.jsonl", "{\"input_ids\": [1.5]}"), "is a list, not a string", "--text-key");
  refused(put("k.jsonl", "{\"input_ids\": [18446744073709551615]}"), "id 18446744073709551615", "token id");
}

TEST_F(Formats, RawIdsNeedTheirType) {
  const auto path = put("train.bin", "\1\0\xc8\0"s);
  EXPECT_EQ(ids(path, "uint16"), (std::vector<IdList>{{1, 200}}));
  EXPECT_EQ(ids(path, "uint32"), (std::vector<IdList>{{0xc80001}}));
  EXPECT_EQ(ids(put("neg.bin", std::string(4, '\xff')), "int32"), (std::vector<IdList>{{-1}}));
  refused(path, "zero byte", "--ids-dtype");
  refused(put("odd.bin", "\1\0\2"s), "3 bytes", "--ids-dtype", {.ids_dtype = "uint16"});
  refused(put("llm.bin", "\x88\xd8\x34\x01" + std::string(1100, '\0')), "llm.c", "tail -c +1025");
  const auto wrong = [&] { (void)ids(path, "float16"); };
  EXPECT_STRATA_ERROR(wrong(), ErrorKind::usage, "ids_dtype: 'float16'");
  const auto unused = [&] { (void)ids(put("a.npy", npy("|u1", "(1,)", "\1")), "uint16"); };
  EXPECT_STRATA_ERROR(unused(), ErrorKind::usage, "nothing needed it");
}

TEST_F(Formats, FoldersInsideAreReadOrNamed) {
  put("t/b.txt", "b");
  put("t/sub/a.txt", "a");
  put("t/sub/deeper/c.txt", "c");
  put("t/.git/x", "hidden");
  EXPECT_EQ(texts(dir_.path() / "t"), (Strings{"b"}));
  ASSERT_EQ(remarks_.notes.size(), 1u);
  EXPECT_NE(remarks_.notes[0].find("a folder inside was not read; -r reads it"), std::string::npos);
  read({.paths = {dir_.path() / "t"}, .recursive = true});
  EXPECT_EQ(texts_, (Strings{"b", "a", "c"}));
  EXPECT_EQ(names_, (Strings{"b.txt", "sub/a.txt", "sub/deeper/c.txt"}));
  EXPECT_TRUE(remarks_.notes.empty());
  put("only/sub/a.txt", "a");
  refused(dir_.path() / "only", "only a folder inside it", "-r reads the folders");
  fs::create_directory_symlink(dir_.path() / "t", dir_.path() / "t" / "loop");
  read({.paths = {dir_.path() / "t"}, .recursive = true});
  EXPECT_EQ(texts_.size(), 3u);
  fs::create_symlink("nowhere", dir_.path() / "t" / "dangling.txt");
  read({.paths = {dir_.path() / "t"}, .recursive = true});
  ASSERT_EQ(remarks_.warnings.size(), 1u);
  EXPECT_NE(remarks_.warnings[0].find("dangling.txt"), std::string::npos);
}

TEST_F(Formats, FilesAboutTheTextsGetAWarning) {
  put("t/a.txt", "a");
  put("t/LICENSE", "MIT");
  put("t/README.md", "read");
  put("t/meta.json", "{\"source\": \"web\", \"count\": 3}");
  EXPECT_EQ(texts(dir_.path() / "t"), (Strings{"MIT", "read", "a"}));
  ASSERT_EQ(remarks_.warnings.size(), 2u);
  EXPECT_NE(remarks_.warnings[0].find("LICENSE, README.md"), std::string::npos) << remarks_.warnings[0];
  EXPECT_NE(remarks_.warnings[1].find("JSON without a text: meta.json"), std::string::npos);
  // Alone or in lines it is a data set whose text has another key.
  refused(dir_.path() / "t" / "meta.json", "no key \"text\"", "--text-key source");
  put("u/a.jsonl", "{\"body\": \"x\"}\n{\"body\": \"y\"}\n");
  put("u/b.txt", "b");
  const auto lines = [&] { (void)texts(dir_.path() / "u"); };
  EXPECT_STRATA_ERROR(lines(), ErrorKind::bad_file, "a.jsonl: line 1: no key \"text\"");
  put("v/a.json", "{\"body\": \"x\"}");
  const auto none = [&] { (void)texts(dir_.path() / "v"); };
  EXPECT_STRATA_ERROR(none(), ErrorKind::bad_file, "a.json");
}

TEST_F(Formats, SeveralTextsAndNamesThatDiffer) {
  const auto a = put("x/a.txt", "1"), b = put("y/a.txt", "2");
  read({.paths = {a, b, dir_.path() / "y"}});
  EXPECT_EQ(texts_, (Strings{"1", "2", "2"}));
  EXPECT_EQ(names_, (Strings{"a.txt", b.string(), "y/a.txt"}));
  EXPECT_EQ(text_name({a, b}), "a.txt and 1 more");
  EXPECT_EQ(text_name({dir_.path() / "y/"}), "y");
  EXPECT_EQ(text_name({"-"}), "stdin");
}

TEST_F(Formats, PipesAreReadToTheirEnd) {
  const fs::path pipe = dir_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] {
    std::ofstream out(pipe);
    for (int i = 0; i < 20'000; ++i) out << "{\"text\": \"line " << i << "\"}\n";
  });
  const Strings read = texts(pipe);
  writer.join();
  ASSERT_EQ(read.size(), 20'000u);
  EXPECT_EQ(read.back(), "line 19999");
  EXPECT_EQ(names_.front(), "pipe:1");
}

TEST_F(Formats, OneDocumentBeyondTheLimitIsRefused) {
  const auto path = put("a.txt", std::string(5000, 'a'));
  const auto call = [&] { read({.paths = {path}, .limit_bytes = 4999}); };
  EXPECT_STRATA_ERROR(call(), ErrorKind::out_of_memory, "one text of 5000 bytes");
  const auto bomb = [&] {
    read({.paths = {put("b.gz", gzip(std::string(1 << 20, 'a')))}, .limit_bytes = 1 << 18});
  };
  EXPECT_STRATA_ERROR(bomb(), ErrorKind::out_of_memory, "--mem-limit");
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += "{\"text\": \"" + std::string(100, 'x') + "\"}\n";
  read({.paths = {put("c.jsonl", lines)}, .limit_bytes = 200});  // a file may be any size, a record not
  EXPECT_EQ(texts_.size(), 100u);
  const auto record = [&] {
    read({.paths = {put("d.jsonl", "{\"text\": \"" + std::string(300, 'x'))}, .limit_bytes = 200});
  };
  EXPECT_STRATA_ERROR(record(), ErrorKind::out_of_memory, "line 1");
}

}  // namespace
}  // namespace strata
