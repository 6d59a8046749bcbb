// Read from the modeling files of transformers 5.24 and from llama.cpp's graphs.
#include "strata/checkpoint/other_architectures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace strata {
namespace {

struct Other {
  std::string_view names;  // as in `plain`, with spaces around each
  std::string_view needs;
};

constexpr std::array<Other, 21> kOthers{{
    {" gemma ", "GELU in the MLP, an embedding multiplied by sqrt(width), norms around zero"},
    {" gemma2 ",
     "norms before and behind attention and MLP, GELU, caps on scores and logits, an embedding multiplied by "
     "sqrt(width)"},
    {" gemma3 gemma3text ",
     "norms before and behind attention and MLP, GELU, two rope bases, an embedding multiplied by "
     "sqrt(width)"},
    {" gemma3n gemma4 gemma4text ",
     "norms before and behind attention and MLP, GELU, per-layer embeddings, shared keys and values"},
    {" olmo2 olmo3 ",
     "norms behind attention and MLP instead of before them, norms of q and k over all heads at once"},
    {" olmo ", "LayerNorm without weights"},
    {" granite granitemoe granitemoeshared granitemoehybrid granitehybrid ",
     "multipliers of the embedding, the residual branches, the scores and the logits"},
    {" gptoss ", "attention sinks in the softmax, a clamped MLP with biases, experts stored in MXFP4"},
    {" deepseekv2 deepseekv3 deepseekv32 deepseek2 kimik2 ",
     "multi-head latent attention, a router by sigmoid in groups"},
    {" deepseek ", "experts beside shared ones without a gate"},
    {" cohere cohere2 commandr ", "LayerNorm, attention and MLP side by side, scaled logits"},
    {" glm glm4 glm4moe chatglm ", "norms behind attention and MLP, or rotation of neighbouring dimensions"},
    {" phi phi2 ", "LayerNorm, attention and MLP side by side, an MLP without a gate"},
    {" phimoe phi3small ", "LayerNorm or block-sparse attention"},
    {" gpt2 gptneox gptj gptneo opt bloom mpt falcon starcoder starcoder2 gptbigcode codeshell ",
     "LayerNorm and an MLP without a gate"},
    {" mamba mamba2 jamba falconmamba falconh1 nemotronh lfm2 lfm2moe bamba zamba2 plamo2 rwkv rwkv6 rwkv7 ",
     "state-space, recurrent or convolutional blocks other than the gated delta rule"},
    {" llama4 llama4text ",
     "a sigmoid router that scales the input of its experts, attention in chunks, norms of q and k without "
     "weights"},
    {" qwen2vl qwen25vl qwen3vl qwen3vlmoe qwen2audio qwen25omni ",
     "the text part of a multimodal checkpoint under other names"},
    {" minicpm minicpm3 ", "multipliers of the embedding, the residual branches and the logits"},
    {" bert roberta xlmroberta modernbert nomicbert ", "an encoder: attention without a causal mask"},
    {" t5 mt5 bart whisper mllama ", "an encoder and cross-attention"},
}};

// "Gemma3ForCausalLM", "gemma3_text" and "gemma3" alike: letters and digits, without what all classes end in.
std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  for (const std::string_view ending : {"forcausallm", "lmheadmodel", "forconditionalgeneration", "model"}) {
    if (text.size() > ending.size() && text.ends_with(ending)) {
      text.resize(text.size() - ending.size());
      break;
    }
  }
  return text;
}

}  // namespace

std::string what_it_needs(std::string_view name) {
  const std::string wanted = fmt::format(" {} ", plain(name));
  const auto found = std::find_if(kOthers.begin(), kOthers.end(), [&](const Other& other) {
    return other.names.find(wanted) != std::string_view::npos;
  });
  if (found == kOthers.end())
    return "strata does not compute this model; docs/adding_a_model.md says how one is added";
  return fmt::format("it needs {}, which strata does not compute", found->needs);
}

}  // namespace strata
