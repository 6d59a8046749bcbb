// verify against references written here from our own forward pass, then spoilt in known ways.
#include "strata/sweep/verify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "strata/base/error.h"
#include "strata/base/npy.h"
#include "strata/base/philox.h"
#include "strata/sweep/forward.h"
#include "strata/sweep/reference.h"
#include "tests/support/paths.h"
#include "tests/support/plain_backend.h"
#include "tests/support/tiny_checkpoint.h"

namespace strata {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kVerifyTokens = 70;  // more than one chunk of logits
constexpr std::size_t kVerifyWidth = 16, kVerifyVocab = 40;

void write_floats(const fs::path& path, std::vector<float> values, std::vector<std::size_t> shape) {
  test::write_text(path, format_npy({.shape = std::move(shape), .data = std::move(values)}));
}

std::vector<float> floats(const fs::path& path) {
  return std::get<std::vector<float>>(read_npy(path).data);
}

// A tiny model, and the directory of its own states and logits.
class VerifyReference : public testing::Test {
 protected:
  void SetUp() override {
    test::write_checkpoint(model(), {.layers = 3});
    checkpoint_.emplace(Checkpoint::open(model()));
    Philox rng({.seed = 5, .stream = Stream::test});
    for (std::size_t t = 0; t < kVerifyTokens; ++t)
      ids_.push_back(static_cast<std::int32_t>(rng.below(kVerifyVocab)));
    std::vector<std::vector<float>> states(4);
    std::vector<float> normed, logits;
    const ForwardObserver observer{
        .state =
            [&](int s, std::size_t, std::span<const float> h) {
              states[static_cast<std::size_t>(s)].assign(h.begin(), h.end());
            },
        .output =
            [&](std::size_t, std::int64_t, std::span<const float> n, std::span<const float> l) {
              normed.insert(normed.end(), n.begin(), n.end());
              logits.insert(logits.end(), l.begin(), l.end());
            }};
    forward_windows(*checkpoint_, {ids_}, {}, observer);
    test::write_text(reference() / "ids.npy", format_npy({.shape = {kVerifyTokens}, .data = ids_}));
    write_floats(reference() / "inp_embd.npy", states[0], {kVerifyTokens, kVerifyWidth});
    for (int b = 0; b < 3; ++b)
      write_floats(reference() / fmt::format("l_out-{}.npy", b), states[static_cast<std::size_t>(b) + 1],
                   {kVerifyTokens, kVerifyWidth});
    write_floats(reference() / "result_norm.npy", normed, {kVerifyTokens, kVerifyWidth});
    write_floats(reference() / "logits.npy", logits, {kVerifyTokens, kVerifyVocab});
  }
  [[nodiscard]] fs::path model() const { return directory_.path() / "model"; }
  [[nodiscard]] fs::path reference() const { return directory_.path() / "reference"; }
  [[nodiscard]] ReferenceCheck verify(double tolerance = kReferenceTolerance) const {
    return verify_reference(*checkpoint_, nullptr, reference(), {.tolerance = tolerance});
  }

  test::TemporaryDirectory directory_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<std::int32_t> ids_;
};

TEST_F(VerifyReference, ItsOwnNumbersPassWithoutATokenizer) {
  const ReferenceCheck check = verify(0.0);
  EXPECT_EQ(check.tokens, 70);
  EXPECT_EQ(check.failures, 0);
  ASSERT_EQ(check.arrays.size(), 6u);
  const char* const names[] = {"inp_embd", "l_out-0", "l_out-1", "l_out-2", "result_norm", "logits"};
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(check.arrays[i].name, names[i]);
    EXPECT_EQ(check.arrays[i].state, i < 4 ? static_cast<int>(i) : -1);
    EXPECT_EQ(check.arrays[i].worst.difference, 0.0);
    EXPECT_GT(check.arrays[i].worst.scale, 0.0);
  }
  ASSERT_TRUE(check.logits.has_value());
  EXPECT_EQ(check.logits->rows, 70);
  EXPECT_EQ(check.logits->same_top, 70);
  EXPECT_EQ(check.logits->largest_kl_nats, 0.0);
  EXPECT_TRUE(check.notes.empty());
}

TEST_F(VerifyReference, AnySubsetWillDo) {
  for (const char* name : {"inp_embd.npy", "l_out-0.npy", "l_out-2.npy", "result_norm.npy", "logits.npy"})
    fs::remove(reference() / name);
  const ReferenceCheck check = verify();
  ASSERT_EQ(check.arrays.size(), 1u);
  EXPECT_EQ(check.arrays[0].name, "l_out-1");
  EXPECT_FALSE(check.logits.has_value());
}

TEST_F(VerifyReference, FindsEverySpoiltValueAndSaysWhere) {
  auto state = floats(reference() / "l_out-1.npy");
  state[65 * kVerifyWidth + 7] += 0.5f;
  write_floats(reference() / "l_out-1.npy", state, {kVerifyTokens, kVerifyWidth});
  auto logits = floats(reference() / "logits.npy");
  // One row of the second chunk: every logit at token 3 raised by 2. KL and difference in closed form.
  const std::size_t row = 66;
  double before = 0.0;
  for (std::size_t v = 0; v < kVerifyVocab; ++v)
    before += std::exp(static_cast<double>(logits[row * kVerifyVocab + v]));
  const double q = std::exp(static_cast<double>(logits[row * kVerifyVocab + 3])) / before;  // ours
  logits[row * kVerifyVocab + 3] += 2.0f;
  write_floats(reference() / "logits.npy", logits, {kVerifyTokens, kVerifyVocab});
  const double boosted = q * std::exp(2.0), total = 1.0 - q + boosted;
  const double kl = boosted / total * 2.0 - std::log(total);  // KL(reference || ours)

  const ReferenceCheck check = verify();
  EXPECT_EQ(check.failures, 2);
  const ArrayCheck &bad_state = check.arrays[2], &bad_logits = check.arrays[5];
  EXPECT_FALSE(bad_state.passed);
  EXPECT_NEAR(bad_state.worst.difference, 0.5, 1e-6);
  EXPECT_EQ(bad_state.worst.position, 65);
  EXPECT_EQ(bad_state.worst.dimension, 7);
  double square = 0.0;
  for (std::size_t d = 0; d < kVerifyWidth; ++d)
    square += static_cast<double>(state[65 * kVerifyWidth + d]) * state[65 * kVerifyWidth + d];
  const double rms = std::sqrt(square / static_cast<double>(kVerifyWidth));
  EXPECT_NEAR(bad_state.worst.scale, std::max(rms, std::fabs(double{state[65 * kVerifyWidth + 7]})), 1e-12);
  EXPECT_DOUBLE_EQ(bad_state.worst.relative, bad_state.worst.difference / bad_state.worst.scale);
  EXPECT_FALSE(bad_logits.passed);
  EXPECT_NEAR(bad_logits.worst.difference, 2.0, 1e-6);
  EXPECT_EQ(bad_logits.worst.position, 66);
  EXPECT_EQ(bad_logits.worst.dimension, 3);
  EXPECT_NEAR(check.logits->largest_kl_nats, kl, 1e-6);
  EXPECT_NEAR(check.logits->mean_kl_nats, kl / 70.0, 1e-8);
  EXPECT_TRUE(check.arrays[0].passed && check.arrays[1].passed && check.arrays[3].passed);
  EXPECT_EQ(verify(10.0).failures, 0);
}

// Token 5 is 4,000 times as large as the others: its rounding is no error, and it does not hide theirs.
TEST(RowDifference, EveryTokenHasItsOwnScale) {
  std::vector<float> reference(8 * 4, 1.0f);
  for (std::size_t d = 0; d < 4; ++d) reference[5 * 4 + d] = 4000.0f;
  auto ours = reference;
  ours[5 * 4 + 2] += 0.125f;  // 3e-5 of its token, 9e-5 of the array's RMS
  RowDifference worst;
  fold_rows(worst, reference, ours, 4, 0);
  EXPECT_EQ(worst.position, 5);
  EXPECT_EQ(worst.dimension, 2);
  EXPECT_EQ(worst.difference, 0.125);
  EXPECT_EQ(worst.scale, 4000.0);
  EXPECT_DOUBLE_EQ(worst.relative, 0.125 / 4000.0);
  // A value far above its token's RMS is rounded by its own size.
  reference[3 * 4] = ours[3 * 4] = 100.0f;
  ours[3 * 4] += 0.001953125f;  // 2e-5 of the value, 4e-5 of the token's RMS
  fold_rows(worst, reference, ours, 4, 0);
  EXPECT_EQ(worst.position, 5);
  ours[7 * 4 + 1] += 0.0625f;  // a sixteenth of its token, 4e-5 of the array's RMS
  fold_rows(worst, reference, ours, 4, 0);
  EXPECT_EQ(worst.position, 7);
  EXPECT_EQ(worst.relative, 0.0625);
}

TEST(RowDifference, RowsOfNothingAndOfWhatIsNotFinite) {
  const std::vector<float> zero(4, 0.0f), one = {0, 0, 1, 0}, nan = {0, std::nanf(""), 0, 0};
  RowDifference worst;
  fold_rows(worst, zero, zero, 2, 10);
  EXPECT_EQ(worst.relative, 0.0);
  EXPECT_EQ(worst.position, 10);
  fold_rows(worst, zero, one, 2, 10);
  EXPECT_TRUE(std::isinf(worst.relative));
  EXPECT_EQ(worst.position, 11);
  worst = {};
  fold_rows(worst, std::vector<float>(4, 1.0f), nan, 2, 0);
  EXPECT_TRUE(std::isinf(worst.relative) && std::isinf(worst.difference));
  EXPECT_EQ(worst.position, 0);
  EXPECT_EQ(worst.dimension, 1);
}

TEST_F(VerifyReference, CountsRowsWithAnotherMostLikelyToken) {
  auto logits = floats(reference() / "logits.npy");
  for (const std::size_t row : {0u, 69u}) {
    const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(row * kVerifyVocab);
    *std::min_element(begin, begin + kVerifyVocab) = 100.0f;
  }
  write_floats(reference() / "logits.npy", logits, {kVerifyTokens, kVerifyVocab});
  EXPECT_EQ(verify().logits->same_top, 68);
}

TEST_F(VerifyReference, ComparesTheTokenizersIdsAndNamesTheFirstThatDiffers) {
  const Tokenizer tokenizer = Tokenizer::from_directory(test::repo_path("models/llama-nano"));
  const fs::path golden = test::repo_path("tests/golden/llama-nano");
  const Checkpoint nano = Checkpoint::open(test::repo_path("models/llama-nano"));
  const auto check = [&] { return verify_reference(nano, &tokenizer, directory_.path() / "ids", {}); };
  fs::create_directory(directory_.path() / "ids");
  for (const char* name : {"ids.npy", "text.txt"})
    fs::copy_file(golden / name, directory_.path() / "ids" / name);
  EXPECT_TRUE(check().ids.value().passed);
  EXPECT_EQ(check().failures, 0);
  auto ids = std::get<std::vector<std::int32_t>>(read_npy(golden / "ids.npy").data);
  const std::int32_t ours = ids[9];
  ids[9] = ours == 11 ? 12 : 11;
  ids.pop_back();
  test::write_text(directory_.path() / "ids/ids.npy", format_npy({.shape = {ids.size()}, .data = ids}));
  const ReferenceCheck spoilt = check();
  EXPECT_EQ(spoilt.failures, 1);
  EXPECT_FALSE(spoilt.ids->passed);
  EXPECT_EQ(spoilt.ids->first_difference, 9);
  EXPECT_EQ(spoilt.ids->ours, 211);
  EXPECT_EQ(spoilt.ids->reference, 210);
  EXPECT_EQ(spoilt.ids->our_token.rfind(fmt::format("{} \"", ours), 0), 0u) << spoilt.ids->our_token;
  // A reference that only ends early differs where it ends.
  ids[9] = ours;
  test::write_text(directory_.path() / "ids/ids.npy", format_npy({.shape = {ids.size()}, .data = ids}));
  EXPECT_EQ(check().ids->first_difference, 210);
  EXPECT_EQ(check().ids->reference_token, "nothing");
}

TEST_F(VerifyReference, NotesNamesItDoesNotKnow) {
  for (const char* name : {"attn_out-0.npy", "l_out-01.npy", "l_out--1.npy", "l_out-.npy", "readme.md"})
    test::write_text(reference() / name, "x");
  const ReferenceCheck check = verify();
  EXPECT_EQ(check.failures, 0);
  ASSERT_EQ(check.notes.size(), 1u);
  for (const char* name : {"attn_out-0.npy", "l_out-01.npy", "l_out--1.npy", "l_out-.npy", "readme.md"})
    EXPECT_NE(check.notes[0].find(name), std::string::npos) << check.notes[0];
}

TEST_F(VerifyReference, RefusesWhatIsNotAReference) {
  const auto refuses = [&](const char* file, const std::string& bytes, const char* says) {
    const fs::path path = reference() / file;
    const bool was = fs::exists(path);
    const fs::path kept = directory_.path() / "kept";
    if (was) fs::copy_file(path, kept, fs::copy_options::overwrite_existing);
    test::write_text(path, bytes);
    EXPECT_STRATA_ERROR(verify(), ErrorKind::bad_file, says);
    EXPECT_STRATA_ERROR(verify(), ErrorKind::bad_file, file);
    fs::remove(path);
    if (was) fs::rename(kept, path);
  };
  const std::vector<float> state(kVerifyTokens * kVerifyWidth, 1.0f);
  auto not_finite = state;
  not_finite[33] = std::numeric_limits<float>::quiet_NaN();
  const std::string good = format_npy({.shape = {kVerifyTokens, kVerifyWidth}, .data = state});
  refuses("l_out-1.npy", format_npy({.shape = {kVerifyWidth, kVerifyTokens}, .data = state}),
          "shape (16, 70)");
  refuses("l_out-1.npy", format_npy({.shape = {kVerifyTokens * kVerifyWidth}, .data = state}),
          "shape (1120)");
  refuses("l_out-1.npy",
          format_npy({.shape = {kVerifyTokens, kVerifyWidth},
                      .data = std::vector<double>(kVerifyTokens * kVerifyWidth, 1.0)}),
          "float32");
  refuses("l_out-1.npy", format_npy({.shape = {kVerifyTokens, kVerifyWidth}, .data = not_finite}),
          "nan at flat index 33");
  refuses("l_out-1.npy", good.substr(0, good.size() - 4), "bytes of data");
  refuses("l_out-1.npy", "", "magic");
  refuses("l_out-3.npy", good, "blocks 0 to 2");
  refuses("logits.npy", good, "(70, 40)");
  refuses("ids.npy", format_npy({.shape = {2}, .data = std::vector<std::int32_t>{1, 40}}),
          "id 40 at position 1");
  refuses("ids.npy", format_npy({.shape = {2}, .data = std::vector<std::int32_t>{1, -1}}),
          "id -1 at position 1");
  refuses("ids.npy", format_npy({.shape = {1, 2}, .data = std::vector<std::int32_t>{1, 1}}), "shape (1, 2)");
  refuses("ids.npy", format_npy({.shape = {0}, .data = std::vector<std::int32_t>{}}), "shape (0)");
  refuses("ids.npy", format_npy({.shape = {2}, .data = std::vector<float>{1, 1}}), "floating-point");
  EXPECT_EQ(verify().failures, 0);  // put back as it was
  fs::remove(reference() / "ids.npy");
  EXPECT_STRATA_ERROR(verify(), ErrorKind::bad_file, "ids.npy: missing");
  fs::create_directory(directory_.path() / "empty");
  EXPECT_STRATA_ERROR(open_reference(directory_.path() / "empty", checkpoint_->config()), ErrorKind::bad_file,
                      "nothing to compare");
  EXPECT_STRATA_ERROR(open_reference(directory_.path() / "absent", checkpoint_->config()), ErrorKind::usage,
                      "no such directory");
}

// ---- without a reference ----

const Check& named(const std::vector<Check>& checks, std::string_view name) {
  for (const Check& check : checks) {
    if (check.name == name) return check;
  }
  throw std::runtime_error("no check " + std::string(name));
}

std::vector<Check> forward_checks(const fs::path& model,
                                  const std::vector<std::vector<std::int32_t>>& windows) {
  const Checkpoint checkpoint = Checkpoint::open(model);
  return verify_forward(checkpoint, windows, {.threads = 2});
}

TEST_F(VerifyReference, AGoodModelAgreesWithItself) {
  const auto checks =
      forward_checks(model(), {ids_, std::vector<std::int32_t>(ids_.rbegin(), ids_.rend() - 5)});
  ASSERT_EQ(checks.size(), 4u);
  for (const Check& check : checks) EXPECT_TRUE(check.passed) << check.name << ": " << check.detail;
  EXPECT_NE(named(checks, "causal").detail.find("token 35"), std::string::npos);
  const auto weights = verify_weights(*checkpoint_);
  ASSERT_EQ(weights.size(), 1u);
  EXPECT_TRUE(weights[0].passed);
  EXPECT_NE(weights[0].detail.find("30 tensors"), std::string::npos) << weights[0].detail;
}

// Plain loops on the processor stand for a GPU.
TEST_F(VerifyReference, AnotherDeviceIsComparedWithTheProcessor) {
  const auto check = [&](double tolerance) {
    return verify_forward(*checkpoint_, {ids_},
                          {.tolerance = tolerance, .threads = 2, .backend = &test::plain_backend()});
  };
  const auto checks = check(kReferenceTolerance);
  ASSERT_EQ(checks.size(), 5u);
  for (const Check& one : checks) EXPECT_TRUE(one.passed) << one.name << ": " << one.detail;
  // They are not the same bits.
  EXPECT_FALSE(named(check(1e-12), "as on the processor").passed);
}

TEST_F(VerifyReference, AWindowOfOneRepeatedTokenIsCheckedToo) {
  for (const Check& check : forward_checks(model(), {std::vector<std::int32_t>(64, 39)}))
    EXPECT_TRUE(check.passed) << check.name << ": " << check.detail;
}

// Edits one tensor of a tiny model and writes it.
void write_edited(const fs::path& model, const std::string& name,
                  const std::function<void(std::vector<float>&)>& edit) {
  test::TinyCheckpoint tiny;
  tiny.edit_tensors = [&](std::vector<test::StoredTensor>& tensors) {
    for (test::StoredTensor& tensor : tensors) {
      if (tensor.name != name) continue;
      std::vector<float> values(tensor.bytes.size() / sizeof(float));
      std::copy_n(tensor.bytes.data(), tensor.bytes.size(), reinterpret_cast<char*>(values.data()));
      edit(values);
      tensor.bytes = test::encode(DType::f32, values);
    }
  };
  test::write_checkpoint(model, tiny);
}

TEST_F(VerifyReference, OverflowIsFoundWhereItBegins) {
  const fs::path broken = directory_.path() / "overflow";
  write_edited(broken, "model.layers.1.mlp.down_proj.weight", [](auto& values) {
    for (float& x : values) x = std::copysign(3e38f, x);
  });
  const auto checks = forward_checks(broken, {ids_});
  const Check& finite = named(checks, "finite states and logits");
  EXPECT_FALSE(finite.passed);
  EXPECT_NE(finite.detail.find("state 2"), std::string::npos) << finite.detail;
  EXPECT_FALSE(named(checks, "loss").passed);
  EXPECT_EQ(named(checks, "loss").detail, "not a finite number of nats per token over 69 tokens");
}

TEST_F(VerifyReference, AModelThatIgnoresItsTokensIsNotCausal) {
  const fs::path deaf = directory_.path() / "deaf";
  write_edited(deaf, "model.embed_tokens.weight",
               [](auto& values) { std::fill(values.begin(), values.end(), 1.0f); });
  const auto checks = forward_checks(deaf, {ids_});
  EXPECT_FALSE(named(checks, "causal").passed);
  EXPECT_NE(named(checks, "causal").detail.find("its last state did not"), std::string::npos);
  EXPECT_TRUE(named(checks, "same bits in a batch").passed);
}

TEST_F(VerifyReference, EveryDamagedTensorIsListed) {
  const fs::path broken = directory_.path() / "damaged";
  test::TinyCheckpoint tiny;
  tiny.edit_tensors = [](std::vector<test::StoredTensor>& tensors) {
    for (const std::size_t i : {2u, 5u})
      tensors[i].bytes =
          test::encode(DType::f32, std::vector<float>(tensors[i].bytes.size() / 4, std::nanf("")));
  };
  test::write_checkpoint(broken, tiny);
  const auto checks = verify_weights(Checkpoint::open(broken));
  ASSERT_EQ(checks.size(), 2u);
  for (const Check& check : checks) {
    EXPECT_FALSE(check.passed);
    EXPECT_NE(check.detail.find("nan at flat index 0"), std::string::npos) << check.detail;
  }
}

TEST(RoundTrip, TheTalesComeBack) {
  const Tokenizer tokenizer = Tokenizer::from_directory(test::repo_path("models/qwen3-nano"));
  const Check good = verify_round_trip(tokenizer, read_documents(test::repo_path("texts/tales"), ""));
  EXPECT_TRUE(good.passed) << good.detail;
  EXPECT_NE(good.detail.find("16 documents"), std::string::npos);
}

}  // namespace
}  // namespace strata
