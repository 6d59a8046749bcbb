// Models of the Hub: fake caches with every way of being incomplete, and the digests of their blobs.
#include "strata/checkpoint/hub_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "strata/base/error.h"
#include "strata/base/file.h"
#include "strata/base/sha256.h"
#include "strata/checkpoint/checkpoint.h"
#include "strata/checkpoint/locate.h"
#include "tests/support/paths.h"
#include "tests/support/tiny_gguf.h"

namespace strata {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;
using test::write_text;

const std::string kCommit(40, 'a');
const std::string kOther = "aaaaaaab" + std::string(32, '0');

// A cache in which every file of a snapshot is a link to a blob named by its SHA-256, as for Git LFS.
class FakeCache {
 public:
  fs::path model(const std::string& folder = "models--org--Tiny-1B") const { return cache() / folder; }
  fs::path cache() const { return directory_.path() / "hub"; }
  fs::path snapshot(const std::string& commit = kCommit) const { return model() / "snapshots" / commit; }
  HubEnvironment environment() const { return {.hf_hub_cache = cache().string()}; }

  void add(const std::string& file, const std::string& content, const std::string& commit = kCommit) const {
    const std::string blob = sha256_hex(content);
    write_text(model() / "blobs" / blob, content);
    fs::create_directories(snapshot(commit));
    fs::create_symlink(fs::path("../../blobs") / blob, snapshot(commit) / file);
  }
  void add_checkpoint(const test::TinyCheckpoint& tiny, const std::string& commit = kCommit) const {
    const TemporaryDirectory plain;
    test::write_checkpoint(plain.path(), tiny);
    for (const auto& entry : fs::directory_iterator(plain.path()))
      add(entry.path().filename().string(), read_file(entry.path()), commit);
  }
  void ref(const std::string& name, const std::string& commit) const {
    write_text(model() / "refs" / name, commit);
  }
  ModelLocation locate(const std::string& name) const { return locate_model(name, environment()); }

 private:
  TemporaryDirectory directory_;
};

TEST(HubCache, EnvironmentInTheOrderOfHuggingfaceHub) {
  HubEnvironment e{.hf_hub_cache = "/a",
                   .huggingface_hub_cache = "/b",
                   .hf_home = "~/c",
                   .xdg_cache_home = "/d",
                   .home = "/home/me"};
  EXPECT_EQ(hub_cache(e), "/a");
  e.hf_hub_cache.clear();
  EXPECT_EQ(hub_cache(e), "/b");
  e.huggingface_hub_cache.clear();
  EXPECT_EQ(hub_cache(e), "/home/me/c/hub");
  e.hf_home.clear();
  EXPECT_EQ(hub_cache(e), "/d/huggingface/hub");
  e.xdg_cache_home.clear();
  EXPECT_EQ(hub_cache(e), "/home/me/.cache/huggingface/hub");
  e.home.clear();
  EXPECT_EQ(hub_cache(e), "");
  EXPECT_EQ(hub_cache({.hf_hub_cache = "~", .home = "/home/me"}), "/home/me");
}

TEST(HubCache, NamesThatCannotLeaveTheCache) {
  const auto name = parse_hub_name("meta-llama/Llama-3.2_1B@refs/pr/7");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->id, "meta-llama/Llama-3.2_1B");
  EXPECT_EQ(name->revision, "refs/pr/7");
  EXPECT_EQ(parse_hub_name("a/b")->revision, "");
  for (const char* bad : {"",           "a",        "/a",      "a/",     "a/b/c",       "../a",
                          "a/..",       "a/.",      "./a",     "a/b..c", "/a/b",        "a--b/c",
                          "a/b c",      "a\\b/c",   "a/b@",    "a/b@..", "a/b@../main", "a/b@/etc/passwd",
                          "a/b@x/../y", "a/b@x//y", "a/b@x\n", "a/b@x y"}) {
    EXPECT_FALSE(parse_hub_name(bad)) << bad;
  }
  EXPECT_FALSE(parse_hub_name(std::string("a/b\0c", 5)));
  EXPECT_FALSE(parse_hub_name("a/" + std::string(95, 'b')));
  const FakeCache fake;
  fake.add_checkpoint({});
  fake.ref("main", kCommit);
  for (const char* bad : {"org/Tiny-1B@../../x", "../Tiny-1B", "org/../org/Tiny-1B"})
    EXPECT_STRATA_ERROR(fake.locate(bad), ErrorKind::usage, "no such file or directory");
}

TEST(HubCache, BranchTagCommitAndPrefix) {
  const FakeCache fake;
  fake.add_checkpoint({});
  fake.add_checkpoint({.seed = 2}, kOther);
  fake.ref("main", kCommit + "\n");
  fake.ref("refs/pr/3", kOther);
  const ModelLocation location = fake.locate("org/Tiny-1B");
  EXPECT_EQ(location.format, ModelFormat::safetensors);
  EXPECT_EQ(location.path, fake.snapshot());
  EXPECT_EQ(location.name, "Tiny-1B");
  EXPECT_EQ(location.hub_id, "org/Tiny-1B");
  EXPECT_EQ(location.revision, kCommit);
  EXPECT_EQ(fake.locate("org/Tiny-1B@main").revision, kCommit);
  EXPECT_EQ(fake.locate("org/Tiny-1B@refs/pr/3").revision, kOther);
  EXPECT_EQ(fake.locate("org/Tiny-1B@" + kOther).revision, kOther);
  EXPECT_EQ(fake.locate("org/Tiny-1B@aaaaaaab").revision, kOther);
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B@aaaaaaa"), ErrorKind::usage, "2 commits begin so");
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B@aaaaaa"), ErrorKind::usage, "no such revision");
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B@v2"), ErrorKind::usage, kOther);
  EXPECT_STRATA_ERROR(fake.locate("org/Other"), ErrorKind::usage, "models--org--Other");
  EXPECT_STRATA_ERROR(locate_model("org/Tiny-1B", {}), ErrorKind::usage, "$HF_HOME");
}

TEST(HubCache, APathIntoASnapshotKnowsItsModel) {
  const FakeCache fake;
  fake.add_checkpoint({});
  const ModelLocation location = locate_model(fake.snapshot().string() + "/", {});
  EXPECT_EQ(location.name, "Tiny-1B");
  EXPECT_EQ(location.hub_id, "org/Tiny-1B");
  EXPECT_EQ(location.revision, kCommit);
  EXPECT_EQ(Checkpoint::open(fake.snapshot()).location().revision, kCommit);
}

TEST(HubCache, RefsThatAreNoCommit) {
  const FakeCache fake;
  fake.add_checkpoint({});
  for (const char* content : {"", "main", "../../../etc", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    fake.ref("main", content);
    EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::bad_file, "a commit of 40");
  }
  fake.ref("main", std::string(40, 'b'));
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::bad_file, std::string(40, 'b') + ": missing");
}

TEST(HubCache, IncompleteSnapshotsAreNamed) {
  {
    const FakeCache fake;  // a link to a blob that is not there
    fake.add_checkpoint({});
    fake.ref("main", kCommit);
    fs::create_symlink("../../blobs/absent", fake.snapshot() / "README.md");
    EXPECT_NO_THROW(fake.locate("org/Tiny-1B"));  // nobody reads that
    fs::remove(fs::canonical(fake.snapshot() / "model.safetensors"));
    EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::bad_file,
                        "model.safetensors: incomplete snapshot: a link to a blob that is not there");
  }
  {
    const FakeCache fake;  // a shard that was never linked
    fake.add_checkpoint({.shards = 3});
    fake.ref("main", kCommit);
    EXPECT_NO_THROW(fake.locate("org/Tiny-1B"));
    fs::remove(fake.snapshot() / "model-00002-of-00003.safetensors");
    EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::bad_file,
                        "incomplete snapshot: no model-00002-of-00003.safetensors");
  }
  {
    const FakeCache fake;  // the weights are still on their way
    fake.add("config.json", "{}");
    fake.ref("main", kCommit);
    EXPECT_NO_THROW(fake.locate("org/Tiny-1B"));  // a configuration alone can be inspected
    write_text(fake.model() / "blobs" / "abc.incomplete", "half");
    EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::bad_file,
                        "blobs/abc.incomplete is unfinished");
  }
}

TEST(HubCache, SnapshotsOfGguf) {
  const FakeCache fake;
  fake.ref("main", kCommit);
  fake.add("tiny-Q8_0-00001-of-00002.gguf", "GGUF");
  fake.add("tiny-Q8_0-00002-of-00002.gguf", "GGUF2");
  fake.add("config.json", "{}");  // repositories of GGUF files carry one
  const ModelLocation location = fake.locate("org/Tiny-1B");
  EXPECT_EQ(location.format, ModelFormat::gguf);
  EXPECT_EQ(location.path, fake.snapshot() / "tiny-Q8_0-00001-of-00002.gguf");
  EXPECT_EQ(location.files.size(), 2u);
  EXPECT_EQ(location.name, "tiny-Q8_0");
  EXPECT_EQ(location.hub_id, "org/Tiny-1B");
  fake.add("tiny-F16.gguf", "GGUF3");
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::usage,
                      "2 GGUF models: tiny-F16.gguf, tiny-Q8_0-00001-of-00002.gguf");
}

TEST(HubDigest, TheBlobsName) {
  const FakeCache fake;
  fake.add_checkpoint({});
  const Checkpoint checkpoint = Checkpoint::open(fake.snapshot());
  EXPECT_EQ(checkpoint.digest_kind(), DigestKind::hub_blob);
  EXPECT_EQ(checkpoint.digest(), sha256_hex(read_file(fake.snapshot() / "model.safetensors")));
  EXPECT_EQ(checkpoint.bytes_read(), 0u);  // known before any weight is read
  // The same files without a cache around them are told by their tensors.
  const TemporaryDirectory plain;
  test::write_checkpoint(plain.path(), {});
  EXPECT_EQ(Checkpoint::open(plain.path()).digest_kind(), DigestKind::tensors);
}

TEST(HubDigest, SeveralShards) {
  const FakeCache fake;
  fake.add_checkpoint({.shards = 2});
  std::string lines;
  for (const char* file : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
    lines += std::string(file) + " " + sha256_hex(read_file(fake.snapshot() / file)) + "\n";
  EXPECT_EQ(Checkpoint::open(fake.snapshot()).digest(), sha256_hex(lines));
}

TEST(HubDigest, OnlyOfBlobsNamedBySha256) {
  const TemporaryDirectory directory;
  const fs::path& d = directory.path();
  const std::string sha = sha256_hex("x");
  const auto link = [&](const fs::path& target) {
    fs::remove(d / "link");
    write_text(d / target, "x");
    fs::create_symlink(target, d / "link");
    return hub_digest({d / "link"});
  };
  EXPECT_EQ(link(fs::path("blobs") / sha), sha);
  EXPECT_FALSE(link(fs::path("other") / sha));
  EXPECT_FALSE(link(fs::path("blobs") / sha.substr(0, 40)));  // a Git hash: not of the bytes alone
  EXPECT_FALSE(link(fs::path("blobs") / (sha.substr(0, 63) + "g")));
  EXPECT_FALSE(hub_digest({d / "blobs" / sha}));  // a file, no link
  EXPECT_FALSE(hub_digest({}));
}

TEST(HubCache, VariablesInThePathOfTheCache) {
  const HubEnvironment me{.home = "/home/me"};
  const auto cache = [&](const std::string& text) {
    HubEnvironment e = me;
    e.hf_hub_cache = text;
    return hub_cache(e);
  };
  ::setenv("STRATA_TEST_DISK", "/disk", 1);
  ::unsetenv("STRATA_TEST_NONE");
  EXPECT_EQ(cache("$HOME/hub"), "/home/me/hub");
  EXPECT_EQ(cache("${HOME}/hub"), "/home/me/hub");
  EXPECT_EQ(cache("~/hub"), "/home/me/hub");
  EXPECT_EQ(cache("$STRATA_TEST_DISK/x"), "/disk/x");
  EXPECT_EQ(cache("/a/${STRATA_TEST_DISK}"), "/a//disk");
  for (const char* kept : {"$STRATA_TEST_NONE/x", "${STRATA_TEST_DISK", "/a$", "$/a", "a~b"})
    EXPECT_EQ(cache(kept), kept);
  ::unsetenv("STRATA_TEST_DISK");
}

TEST(HubCache, AddressesAndFolderNames) {
  struct Case {
    const char *text, *id, *revision, *path;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"https://huggingface.co/org/name", "org/name", "", ""},
           {"https://huggingface.co/org/name/", "org/name", "", ""},
           {"http://hf.co/org/name?library=transformers", "org/name", "", ""},
           {"huggingface.co/org/name", "org/name", "", ""},
           {"hf://org/name", "org/name", "", ""},
           {"hf://models/org/name", "org/name", "", ""},
           {"https://huggingface.co/org/name/tree/main", "org/name", "main", ""},
           {"https://huggingface.co/org/name/blob/v1/Q4/m.gguf", "org/name", "v1", "Q4/m.gguf"},
           {"https://huggingface.co/org/name/resolve/main/m.gguf?download=true", "org/name", "main",
            "m.gguf"},
           {"models--org--name", "org/name", "", ""}}) {
    const auto name = parse_hub_name(c.text);
    ASSERT_TRUE(name) << c.text;
    EXPECT_EQ(name->id, c.id) << c.text;
    EXPECT_EQ(name->revision, c.revision) << c.text;
    EXPECT_EQ(name->path, c.path) << c.text;
  }
  for (const char* bad :
       {"https://example.com/org/name", "https://huggingface.co/org", "https://huggingface.co/../name",
        "https://huggingface.co/org/name/tree", "https://huggingface.co/org/name/tree/../x",
        "https://huggingface.co/org/name/blob/main/../../x", "https://huggingface.co/org/name/raw/main/x",
        "models--org", "models--a--b--c", "models----", "https://huggingface.co/datasets/org/name"})
    EXPECT_FALSE(parse_hub_name(bad)) << bad;
}

TEST(HubCache, FolderOfAModelStandsForIt) {
  const FakeCache fake;
  fake.add_checkpoint({});
  fake.add_checkpoint({.seed = 2}, kOther);
  fake.ref("main", kOther);
  for (const std::string& name :
       {fake.model().string(), fake.model().string() + "/", std::string("models--org--Tiny-1B"),
        std::string("https://huggingface.co/org/Tiny-1B")}) {
    const ModelLocation location = fake.locate(name);
    EXPECT_EQ(location.path, fake.snapshot(kOther)) << name;
    EXPECT_EQ(location.hub_id, "org/Tiny-1B");
    EXPECT_EQ(location.revision, kOther);
    EXPECT_EQ(location.name, "Tiny-1B");
  }
  EXPECT_EQ(fake.locate("https://huggingface.co/org/Tiny-1B/tree/" + kCommit).revision, kCommit);
  EXPECT_STRATA_ERROR(fake.locate("https://huggingface.co/org/Tiny-1B/blob/main/no.gguf"), ErrorKind::usage,
                      "hf download org/Tiny-1B no.gguf");
  fs::remove_all(fake.model() / "refs");  // two snapshots and no word which
  EXPECT_STRATA_ERROR(fake.locate(fake.model().string()), ErrorKind::usage, "no such revision");
  fs::remove_all(fake.snapshot(kCommit));
  EXPECT_EQ(fake.locate(fake.model().string()).revision, kOther);
}

TEST(HubCache, GgufInAFolderOfTheSnapshot) {
  const FakeCache fake;
  const std::string content = test::tiny_gguf({}).bytes();
  const std::string blob = sha256_hex(content);
  write_text(fake.model() / "blobs" / blob, content);
  fs::create_directories(fake.snapshot() / "Q4_K_M");
  fs::create_symlink(fs::path("../../../blobs") / blob, fake.snapshot() / "Q4_K_M" / "Tiny-Q4_K_M.gguf");
  fake.ref("main", kCommit);
  const ModelLocation location = fake.locate("org/Tiny-1B");
  EXPECT_EQ(location.format, ModelFormat::gguf);
  EXPECT_EQ(location.name, "Tiny-Q4_K_M");
  EXPECT_EQ(location.revision, kCommit);
  EXPECT_EQ(hub_digest(location.files), blob);
  EXPECT_EQ(fake.locate("https://huggingface.co/org/Tiny-1B/resolve/main/Q4_K_M/Tiny-Q4_K_M.gguf").path,
            location.path);
  // The blob itself, which has no ending.
  const ModelLocation by_blob = fake.locate((fake.model() / "blobs" / blob).string());
  EXPECT_EQ(by_blob.format, ModelFormat::gguf);
  EXPECT_EQ(Checkpoint::open(by_blob.path).name(), blob);
  fs::create_directories(fake.snapshot() / "Q8_0");
  fs::create_symlink(fs::path("../../../blobs") / blob, fake.snapshot() / "Q8_0" / "Tiny-Q8_0.gguf");
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1B"), ErrorKind::usage,
                      "2 GGUF models: Q4_K_M/Tiny-Q4_K_M.gguf, Q8_0/Tiny-Q8_0.gguf");
}

TEST(HubCache, NearMissesAreGuessed) {
  const FakeCache fake;
  fake.add_checkpoint({});
  fake.ref("main", kCommit);
  EXPECT_STRATA_ERROR(fake.locate("org/Tiny-1b-"), ErrorKind::usage, "did you mean org/Tiny-1B?");
  EXPECT_STRATA_ERROR(fake.locate("org/Quite-Another"), ErrorKind::usage, "hf download org/Quite-Another");
}

}  // namespace
}  // namespace strata
