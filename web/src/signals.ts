// What each signal is, in one sentence. A signal that is not listed is still plotted, under its id.

export const kGroups: { id: string; title: string }[] = [
  { id: 'attention', title: 'Attention' },
  { id: 'representation', title: 'Representation' },
  { id: 'information', title: 'Information' },
  { id: 'output', title: 'Output' },
];

export const kDefinitions: Record<string, string> = {
  attention_distance: 'How far back a query looks, over the mean distance of the keys it could look at, sink keys removed; uniform attention gives 1.',
  attention_entropy: 'Entropy of a query\u2019s attention, sink keys removed, over the logarithm of its number of keys; uniform gives 1, one key gives 0.',
  cka_shift: '1 minus the debiased linear CKA of a block\u2019s input and output, each token divided by its RMS, over tokens taken one from each window.',
  cka_shift_raw: 'Control: the same of states as they are, where few large tokens can decide.',
  angular_step: 'Mean angle between a token\u2019s state before and after the block, in units of pi.',
  block_influence: '1 minus the mean cosine of a token\u2019s state before and after the block (ShortGPT).',
  update_ratio: 'Median over tokens of the length of what the block adds over the length of its input.',
  adjacent_mi: 'Gaussian-copula mutual information of the leading principal components of two adjacent states, each token divided by its RMS, less its value under circular shifts.',
  adjacent_mi_half: 'Control: adjacent_mi from half the sampled tokens; where it differs, the sample is too small.',
  pca_share: 'Control: share of the variance within the principal components of adjacent_mi.',
  matrix_entropy: 'Von Neumann entropy of the Gram matrix of centred unit-length states, each token divided by its RMS, over its maximum; isotropic states give about 1, rank one gives 0.',
  matrix_entropy_raw: 'Control: the same of states as they are.',
  participation_ratio: 'Number of directions that carry the variance: squared sum of the covariance eigenvalues over the sum of their squares, estimated without the bias of few tokens; each token divided by its RMS.',
  participation_ratio_raw: 'Control: the same of states as they are.',
  effective_rank: 'Exponential of the entropy of the normalised covariance eigenvalues of the sample; at most its number of tokens less 1; each token divided by its RMS.',
  effective_rank_raw: 'Control: the same of states as they are.',
  lens_entropy: 'Entropy of the next-token distribution read from the state through the final norm and the unembedding.',
  lens_kl: 'KL divergence of that distribution from the model\u2019s final one; 0 at the last state.',
  lens_information: 'Unigram entropy minus the cross-entropy of the lens: a lower bound on what the state says about the next token. Negative where the lens predicts worse than the unigram.',
  curvature: 'Mean angle between successive token-to-token displacements, in units of pi; each token divided by its RMS; a straight line gives 0, unrelated tokens 2/3.',
  curvature_raw: 'Control: the same of states as they are.',
  sensitivity: 'Control: kappa by the backward sweep: how fast the prediction moves under noise relative to each token\u2019s RMS.',
  sensitivity_absolute: 'Control: the same under noise of one absolute size; it falls as the residual stream grows, whatever the function.',
  residual_rms: 'Control: root mean square of the residual state of a token.',
  max_activation: 'Control: largest absolute value in a token\u2019s state.',
  sink_rate: 'Control: share of tokens whose largest activation exceeds 50 times their document\u2019s median token maximum.',
};

/// What each intervention does (docs/brittleness.md).
export const kInterventions: Record<string, string> = {
  relative_noise: 'Gaussian noise on a state, s times each token\u2019s own RMS, at ordinary tokens.',
  absolute_noise: 'Gaussian noise on a state, of one size s for all tokens, at ordinary tokens.',
  pooled_noise: 'Gaussian noise on a state, s times the RMS over all tokens of the window, at ordinary tokens.',
  sink_noise: 'Relative noise at the sink tokens alone.',
  joint_noise: 'Relative noise of s / sqrt(n) at the inputs of all n blocks of a segment at once.',
  scaling: 'A state times 1 + s, at ordinary tokens.',
  translation: 'A state plus s times the mean state of the window\u2019s ordinary tokens.',
  zero_ablation: 'A state times 1 - s, at ordinary tokens.',
  mean_ablation: 'A state moved by the share s to the mean state of the window\u2019s ordinary tokens.',
  block_skip: 'The block is left out: its output is its input (at s = 1).',
  adjacent_swap: 'Two neighbouring blocks change places.',
  block_repeat: 'The block runs 1 + s times in a row.',
  attention_uniform: 'The share s of every attention weight is spread equally over all keys.',
  attention_sink_only: 'The share s of the attention goes to sink tokens alone.',
  attention_local: 'The share s of the attention goes to sink tokens and the last 16 keys alone.',
  head_ablation: 'The output of one attention head times 1 - s.',
  weight_rounding: 'Every matrix of the block is rounded to fewer bits; s is the step over the largest value of a group.',
};

export const kConventions: string[] = [
  'Blocks are numbered from 0; ranges are half-open: [2,5) is blocks 2, 3, 4.',
  'State i is the input of block i; state L is the output of the last block, before the final norm.',
  'Edge e lies between block e-1 and block e; a boundary is an edge; relative depth is e/L.',
  'Logarithms are natural; information is in nats.',
  'Sink tokens are position 0 of each window and any token whose largest activation at some state exceeds 50 times its document\u2019s median token maximum there; "ordinary tokens" leaves them out, "all tokens" does not.',
  'The resampling unit is the document; bands and standard errors are over documents, weighted by tokens.',
  'kappa is the limit of (2/eps\u00b2) times the mean KL divergence (clean against perturbed) under Gaussian noise of eps times each token\u2019s own RMS; it is taken where the log-log slope is 2 \u00b1 0.15.',
  'Top-1 agreement: share of positions whose most likely next token is the same with and without the intervention.',
  'Split: B_abs = kappa / rms_eff\u00b2 exactly, where B_abs is the same curvature under noise of one absolute size and rms_eff\u00b2 the mean of a token\u2019s squared RMS weighted by its squared gradient, both by the backward sweep; the remainder ln(rms_eff / median RMS) is the correlation of RMS and gradient over tokens.',
  'Rate R(eps) = 1/2 sum ln(1 + lambda/eps\u00b2) over the eigenvalues of the covariance of h/rms(h): an upper bound on the nats per token that noise of eps lets through. Distortion D(eps) is the KL divergence under that noise. beta = -dD/dR; m = -dR/d ln eps is the effective dimension.',
  'Trained bottleneck: z ~ N(mu(u), diag sigma(u)\u00b2) in place of u = h/rms(h), trained with a Gaussian prior against the frozen blocks after it for D + beta R, R = KL(q || prior) per token; judged on documents that it was not trained on.',
  'Boundaries: exact least-squares partition; jumps are accepted when they beat the best smooth model and a random walk, then more than K against K, each at 5% against AR(1) surrogates and with a gain in BIC. Where two boundaries are not accepted the best two-boundary split is shown and marked "forced".',
  'Networks with random weights: the same architecture, text and tests; rank 1 of the gain in BIC is the largest, ties count against this model, p is the rank over the number of networks, this one included.',
];
