#include "strata/tokenizer/split_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "strata/base/error.h"
#include "strata/tokenizer/utf8.h"

namespace strata {
namespace {

constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kFreeSteps = 100'000;
constexpr std::uint64_t kStepsPerByte = 64;
constexpr std::uint64_t kFreeHeapKibibytes = 65536;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

Code compile(const std::string& pattern, std::string_view original, const std::string& where) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP,
                          &error, &offset, nullptr));
  if (!code) {
    throw Error(ErrorKind::bad_file,
                {.where = where,
                 .found = fmt::format("{}: {}", in_quotes(original), pcre2_message(error)),
                 .expected = "a regular expression"});
  }
  return code;
}

}  // namespace

struct SplitPattern::Impl {
  Code code;
  std::string where;
  StandIns stand_ins;
};

SplitPattern::SplitPattern(std::string_view pattern, const std::string& where, UnicodeTables tables)
    : impl_(std::make_unique<Impl>(
          Impl{compile(to_pcre2(pattern, where), pattern, where), where, StandIns(tables, pattern)})) {
  // Without JIT support the interpreter gives the same matches, only slower.
  (void)pcre2_jit_compile(impl_->code.get(), PCRE2_JIT_COMPLETE);
}

SplitPattern::~SplitPattern() = default;
SplitPattern::SplitPattern(SplitPattern&&) noexcept = default;
SplitPattern& SplitPattern::operator=(SplitPattern&&) noexcept = default;

void SplitPattern::split(std::string_view text, const std::function<void(std::string_view)>& on_word) const {
  const MatchData match(pcre2_match_data_create_from_pattern(impl_->code.get(), nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  STRATA_CHECK(match && context);
  // A long run of spaces makes one match try about as many steps as there are; a pattern that tries all ways
  // to cut a run in two is an attack. The interpreter, where there is no JIT, keeps some 200 bytes per step
  // back.
  const std::uint64_t steps = kFreeSteps + kStepsPerByte * text.size();
  pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(std::min<std::uint64_t>(steps, kMost32)));
  const std::uint64_t kibibytes = kFreeHeapKibibytes + text.size() / 4;
  pcre2_set_heap_limit(context.get(),
                       static_cast<std::uint32_t>(std::min<std::uint64_t>(kibibytes, kMost32)));
  const std::optional<std::string> replaced = impl_->stand_ins.replace(text, impl_->where);
  const auto subject = reinterpret_cast<PCRE2_SPTR>(replaced ? replaced->data() : text.data());
  std::size_t done = 0;    // end of the last match: everything before it has been handed out
  std::size_t search = 0;  // where the next search begins
  while (search <= text.size()) {
    const auto run = [&](std::uint32_t options) {
      return pcre2_match(impl_->code.get(), subject, text.size(), search, PCRE2_NO_UTF_CHECK | options,
                         match.get(), context.get());
    };
    int rc = run(0);
    // JIT has a stack of 32 KB; the interpreter, which a machine without JIT runs anyway, has the heap.
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = run(PCRE2_NO_JIT);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      throw Error(ErrorKind::unsupported,
                  {.where = impl_->where,
                   .found = fmt::format("the regular expression gave up at byte {} of a text of {} bytes: {}",
                                        search, text.size(), pcre2_message(rc))});
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
    const std::size_t begin = bounds[0], end = bounds[1];
    STRATA_CHECK(begin >= done && begin <= end);
    if (begin > done) on_word(text.substr(done, begin - done));
    if (end > begin) on_word(text.substr(begin, end - begin));
    done = search = end;
    if (begin < end) continue;
    // An empty match splits once; the search then goes on behind the next character.
    if (search == text.size()) break;
    (void)next_code_point(text, search);
  }
  if (done < text.size()) on_word(text.substr(done));
}

}  // namespace strata
