// The record of one run: plain structs that hold what was measured, per document, so that means,
// intervals and verdicts can be computed again from it alone. Nothing here knows about tensors.
//
// Conventions: L blocks. State i (0..L) is the input of block i; state L is the output of the last
// block, before the final norm. Block l (0..L-1) maps state l to state l+1. Edge e (1..L-1) lies
// between block e-1 and block e. Natural logarithms; information in nats. NaN = undefined (null in JSON).
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "strata/base/matrix.h"

namespace strata {

inline constexpr int kSchemaVersion = 1;

/// Why everything that is computed from logits is undefined in the record of a base model.
inline constexpr const char* kNoHead = "not defined without a head: a base model predicts no tokens";

enum class Axis { state, block, edge };

/// Which tokens a number is about: every token, or ordinary ones only (no sink tokens: position 0 of
/// each window and massive activations). The headline is `ordinary`; `all` is printed beside it.
enum class TokenSet { ordinary, all };

/// Which states a similarity is of: as they are, or each token divided by its own RMS, which is what the next
/// block reads.
enum class StateScale { raw, token_rms };

/// The signal group of the fusion; controls are never fused.
enum class Group { attention, representation, information, output, control };

/// One signal over depth, recorded per document.
struct Series {
  std::string id;    ///< "angular_step"
  std::string unit;  ///< "nats", "1", "rms", "pi rad" ...
  Axis axis = Axis::block;
  Group group = Group::control;
  TokenSet tokens = TokenSet::ordinary;
  Matrix by_doc;                    ///< documents x (L or L+1); NaN = undefined
  std::vector<double> weight;       ///< per document: number of tokens behind its row (0 = no row)
  std::vector<double> joint;        ///< per place, for a quantity of all documents together that is no
                                    ///< mean over them (cka_shift); empty = by_doc holds the values
  std::vector<double> joint_error;  ///< standard error of `joint`
  std::string note;                 ///< why values are undefined, sample sizes; empty = nothing to say
};

/// Debiased linear CKA between all states.
struct CkaRecord {
  TokenSet tokens = TokenSet::ordinary;
  StateScale scale = StateScale::raw;  ///< raw in files from before there was a choice
  Matrix value;                        ///< (L+1) x (L+1), symmetric, unit diagonal; 0 x 0 = undefined
  std::vector<Matrix> replicates;      ///< half-samples of documents without replacement
  std::int64_t n_tokens = 0;
  std::int64_t n_batches = 0;
  std::string note;  ///< why undefined, or what the sample was
};

/// Spectrum of the covariance of h / rms(h) at every state, each token scaled to its own RMS; d = width. Row
/// i of `value` and `multiplicity` says which eigenvalues state i has and how often: sums of multiplicity
/// f(value) are, or estimate, the trace of f. See signals/covariance.h.
struct SpectrumRecord {
  TokenSet tokens = TokenSet::ordinary;
  std::int64_t width = 0;
  std::int64_t n_tokens = 0;
  int probes = 0;  ///< 0 = eigenvalues; else that many independent estimates, equal runs of entries
  std::vector<double> shrinkage;  ///< per state, share of the isotropic target; empty = undefined
  std::int64_t entries = 0;       ///< of each state; 0 = undefined
  Matrix value, multiplicity;     ///< (L+1) x entries; 0 x 0 where arrays.npz was not read
  std::string note;               ///< why undefined, or what the sample was
};

/// Damage done by one intervention at one place, over its strength.
struct DoseCurve {
  std::string intervention;   ///< "relative_noise", "block_skip"
  std::string site;           ///< "state", "branch", "attention", "weights", "parts"
  std::string strength_unit;  ///< "token rms", "share"
  Axis axis = Axis::state;
  int place = 0;           ///< state or first block
  int span = 1;            ///< states or blocks spanned, `place` the first
  int head = -1;           ///< attention head, or expert, for an intervention on one of them
  bool continuous = true;  ///< whether strengths between these mean something
  std::vector<double> strength;
  Matrix kl_nats;         ///< documents x strength: mean KL(clean || perturbed) per scored token
  Matrix delta_nll_nats;  ///< documents x strength: mean change of the next token's NLL per predicted token
  Matrix top1_agreement;  ///< documents x strength: share of scored positions whose most probable token
                          ///< stays so; 0 x 0 = not measured
  Matrix embedding_distance;  ///< documents x strength: mean over windows of 1 - cosine of the clean and the
                              ///< perturbed embedding; 0 x 0 in a model with a head
  std::string note;           ///< why the others are undefined: kNoHead
  /// Documents of the lane sample that were measured, rising; the rows of others are NaN. Empty = all of
  /// them.
  std::vector<int> documents;
  /// Per strength, where documents were left out: standard error of the mean over the measured documents as
  /// an estimate of the mean over the whole lane sample, s sqrt((1 - n/N) / n) with the ratio estimator's s
  /// (Cochran, Sampling Techniques, chapters 2 and 6). NaN with one document.
  std::vector<double> sampling_error;
};

/// What an intervention damages: KL, or in a model without a head the embedding. (documents, strengths)
[[nodiscard]] inline const Matrix& damage_of(const DoseCurve& curve) {
  return curve.embedding_distance.rows > 0 ? curve.embedding_distance : curve.kl_nats;
}

/// One token whose activations are massive at some state.
struct SinkToken {
  int document = 0;
  int window = 0;    ///< within the document
  int position = 0;  ///< within the window
  std::int32_t token_id = 0;
  std::string text;       ///< the token, printable
  int onset_state = 0;    ///< first state at which it is massive
  int offset_state = 0;   ///< last state at which it is massive
  int dimension = 0;      ///< residual dimension of its largest value
  double peak_ratio = 0;  ///< largest ratio of its RMS to the document's median token RMS
};

/// How many tokens another threshold of the sink mask would hold.
struct MaskCount {
  double ratio = 0.0;       ///< RMS at some state over the document's median token RMS there
  std::int64_t tokens = 0;  ///< above it, other than position 0
};

/// How large massive tokens are at every state: those at position 0 of the windows, or those of one word.
struct SinkPath {
  bool first_position = false;
  std::int32_t token_id = -1;   ///< of all of them; -1 = several words
  std::string text;             ///< of that token, printable
  std::int64_t tokens = 0;      ///< massive at some state
  std::int64_t of = 0;          ///< windows, or occurrences of the word beyond position 0
  std::vector<double> length;   ///< per state: median over them of |h|
  std::vector<double> ratio;    ///< per state: median of the RMS over the document's median token RMS
  std::vector<double> massive;  ///< per state: share of them that is massive there
  std::vector<int> dimension;   ///< per state: most frequent dimension of the largest component
};

/// What one word holds of a direction.
struct CarrierWord {
  std::int32_t token_id = 0;
  std::string text;              ///< printable
  std::int64_t occurrences = 0;  ///< in the sample
  std::int64_t count = 0;        ///< the fewest of them that hold 90% of what the word holds
  double share = 0.0;            ///< of the direction's energy
};

/// One direction of a state, and the tokens that fill it. NaN = no energy.
struct CarrierDirection {
  int dimension = 0;       ///< the residual dimension; of a component its largest entry
  double alignment = 1.0;  ///< square of that entry: 1 = the dimension itself
  double share = std::numeric_limits<double>::quiet_NaN();  ///< of the energy; of a component: the variance
  double few_tokens = std::numeric_limits<double>::quiet_NaN();  ///< of that, in the 5% of tokens with most
  double few_size = std::numeric_limits<double>::quiet_NaN();    ///< RMS of those tokens along it
  std::vector<CarrierWord> words;                                ///< largest shares first, at most 5
};

/// What carries the energy (sum of h^2) of one state, from the sampled tokens of one token set.
struct StateCarrier {
  int state = 0;
  TokenSet tokens = TokenSet::ordinary;
  std::int64_t n_tokens = 0;
  double top_token_energy = std::numeric_limits<double>::quiet_NaN();  ///< share of the largest 1% of tokens
  CarrierDirection dimension;  ///< the residual dimension with most energy
  CarrierDirection component;  ///< the first principal component
};

/// What one state would say next: the most likely token at each position of a passage.
struct LensRow {
  std::vector<std::int32_t> token_id;
  std::vector<double> probability;  ///< of that token
};

struct TokenText {
  std::int32_t id = 0;
  std::string text;  ///< printable; empty where no tokenizer was given
};

/// The logit lens on the first tokens of a window, kept to be looked at.
struct LensPassage {
  int document = 0;
  int window = 0;                      ///< within the document
  std::vector<std::int32_t> token_id;  ///< of the passage
  std::vector<LensRow> rows;           ///< states 0..L
  std::vector<TokenText> vocabulary;   ///< every token above, once, by rising id
};

struct Document {
  std::string name;
  std::int64_t bytes = 0;
  std::int64_t tokens = 0;  ///< tokens in windows
  std::int64_t scored = 0;  ///< positions whose next token is in the same window
  int windows = 0;
  std::int64_t dropped_tokens = 0;  ///< tokens of a last piece too short for a window
  double nll_nats = 0.0;            ///< mean next-token NLL over the scored positions
  std::int64_t lane_tokens = 0;     ///< tokens in perturbed lanes (0 = not in the lane sample)
  std::int64_t lane_bytes = 0;      ///< bytes of their text that is predicted there: of all tokens but the
                                    ///< first (0 = not known: token ids were given)
};

struct ModelCard {
  std::string name;          ///< last part of the path or Hub id
  std::string hub_id;        ///< "org/name" where it came from the Hub cache, else empty
  std::string revision;      ///< commit of the Hub snapshot, else empty
  std::string family;        ///< "llama", "qwen2", "qwen3"
  std::string architecture;  ///< "LlamaForCausalLM"
  int n_layers = 0;
  int hidden = 0, ffn = 0, heads = 0, kv_heads = 0, head_dim = 0, vocab = 0;
  std::int64_t max_context = 0;
  double rope_theta = 0.0;
  std::string rope_scaling;  ///< "none", "llama3"
  double norm_eps = 0.0;
  bool tied_embeddings = false, qkv_bias = false, qk_norm = false;
  std::int64_t parameters = 0, embedding_parameters = 0, block_parameters = 0;
  std::string weight_dtype;  ///< "BF16", or "BF16, F32" when mixed
  std::string checkpoint_sha256;
  std::string checkpoint_digest_kind;  ///< what that is the digest of: "hub blob" or "tensors"
  std::string no_head;                 ///< kNoHead in a base model, else empty
  std::string pooling;                 ///< of its embedding: "last token (1_Pooling/config.json)"

  [[nodiscard]] bool has_head() const { return no_head.empty(); }
};

/// What was asked for; with the digests it decides every number in results.json.
struct RunCard {
  std::string tool_version;
  std::uint64_t seed = 0;
  int context = 0;
  std::string compute_dtype;  ///< "float32"
  std::string bos_policy;     ///< in words
  std::string corpus_name;
  std::string corpus_sha256;
  std::string tokenizer_sha256;
  std::int64_t positions = 0;       ///< --positions
  std::int64_t lane_tokens = 0;     ///< --lane-tokens
  std::int64_t lens_positions = 0;  ///< per document
  int surrogates = 0;
  int replicates = 0;
  /// KL below which the rounding of compute_dtype hides a perturbation; NaN = float32, not measured.
  double noise_floor_nats = std::numeric_limits<double>::quiet_NaN();
  /// The same of the embedding's distance in a base model.
  double noise_floor_distance = std::numeric_limits<double>::quiet_NaN();
  std::string device = "cpu";  ///< of blocks and logits: "cpu" or "cuda"
  std::string effort =
      {};  ///< "quick", "standard", "thorough"; empty in files from before there was a choice
};

/// A trained Gaussian bottleneck at one exchange rate, judged on windows that it was not trained on.
struct BottleneckPoint {
  double beta = 0.0;
  double rate_nats = 0.0;        ///< KL(encoder || prior), per token that goes through
  double rate_error = 0.0;       ///< over windows
  double distortion_nats = 0.0;  ///< KL(clean || through the bottleneck), per scored position
  double distortion_error = 0.0;
  double start_strength = 0.0;  ///< eps of the Gaussian channel that training started from
  double start_rate_nats = 0.0, start_distortion_nats = 0.0;  ///< of that channel, on the same windows
};

/// What to train: exchange rates, and the noise of the Gaussian channel that has each.
struct BottleneckStart {
  double beta = 0.0, eps = 0.0;
};
struct BottleneckTask {
  int state = 0;
  std::vector<BottleneckStart> grid;
};

struct BottleneckCurve {
  int state = 0;
  std::int64_t train_tokens = 0, held_out_tokens = 0;
  int steps = 0;
  std::int64_t hidden = 0;  ///< units of the encoder's hidden layer
  std::vector<BottleneckPoint> points;
};

struct Trace {
  RunCard run;
  ModelCard model;
  std::vector<Document> documents;
  std::vector<Series> series;
  std::vector<CkaRecord> cka;
  std::vector<SpectrumRecord> spectra;
  std::vector<DoseCurve> curves;
  std::vector<BottleneckCurve> bottlenecks;  ///< empty unless asked for
  std::vector<SinkToken> sinks;        ///< massive tokens other than position 0, largest first, at most 100
  std::vector<MaskCount> mask_counts;  ///< by rising ratio
  std::vector<SinkPath> sink_paths;    ///< position 0 before words; empty = no token is massive
  std::vector<StateCarrier> carriers;
  std::vector<LensPassage> lens_passages;
  std::int64_t n_massive = 0;         ///< how many there are in all
  std::int64_t n_tokens = 0;          ///< tokens in windows
  std::vector<std::string> warnings;  ///< things a reader must know, in words

  [[nodiscard]] int n_layers() const { return model.n_layers; }
};

/// The series with this id and token set, or nullptr.
[[nodiscard]] const Series* find_series(const Trace& trace, std::string_view id, TokenSet tokens);
/// Of states divided by each token's RMS; of raw ones where the record has no other (older files).
[[nodiscard]] const CkaRecord* find_cka(const Trace& trace, TokenSet tokens);
[[nodiscard]] const CkaRecord* find_cka(const Trace& trace, TokenSet tokens, StateScale scale);
[[nodiscard]] const SpectrumRecord* find_spectrum(const Trace& trace, TokenSet tokens);

/// The joint values of a series in half-sample `replicate` of the documents (cka_shift, cka_shift_raw: from
/// the CKA replicates of its token set); empty where the record has none.
[[nodiscard]] std::vector<double> joint_replicate(const Trace& trace, const Series& series,
                                                  std::size_t replicate);

/// Mean over documents, weighted by `weight`, per axis position; undefined rows are left out; NaN
/// where no document has a value. `joint` where the series has one.
[[nodiscard]] std::vector<double> mean_over_documents(const Series& series);
/// Standard error of that mean over documents (ratio estimator); NaN with fewer than two documents.
/// `joint_error` where the series has a joint value.
[[nodiscard]] std::vector<double> standard_error(const Series& series);

/// The same two for any documents x positions matrix with one weight per document. The dose curves of
/// a run are averaged with `lane_weights`.
[[nodiscard]] std::vector<double> weighted_mean(const Matrix& by_doc, const std::vector<double>& weight);
[[nodiscard]] std::vector<double> weighted_standard_error(const Matrix& by_doc,
                                                          const std::vector<double>& weight);
/// Tokens of each document in perturbed lanes.
[[nodiscard]] std::vector<double> lane_weights(const Trace& trace);

/// The same damage per byte of text: with weight `bytes`, its weighted mean is the sum over documents over
/// the sum of their bytes.
struct PerByte {
  Matrix by_doc;              ///< documents x strength: nats per byte; NaN where the bytes are not known
  std::vector<double> bytes;  ///< Document::lane_bytes
};
[[nodiscard]] PerByte per_byte(const Trace& trace, const Matrix& nats_per_token);

[[nodiscard]] const char* to_string(Axis axis);
[[nodiscard]] const char* to_string(TokenSet tokens);
[[nodiscard]] const char* to_string(StateScale scale);
[[nodiscard]] const char* to_string(Group group);

}  // namespace strata
