#include "engine/tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {

struct Pattern::Code {
  pcre2_code* regex = nullptr;
  bool jit = false;
  ~Code() { pcre2_code_free(regex); }
};

Pattern::Pattern(std::unique_ptr<Code> code) : code_(std::move(code)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

absl::StatusOr<Pattern> Pattern::CompileTranslated(const std::string& pcre,
                                                   std::string_view shown) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_unique<Code>();
  // MULTILINE: in Oniguruma's syntax ^ and $ always see lines.
  code->regex = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.data()), pcre.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                              &error, &offset, nullptr);
  if (code->regex == nullptr) {
    PCRE2_UCHAR message[160] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    return absl::DataLossError(StrCat("tokenizer.json: pattern ", shown.substr(0, 80), ": ",
                                      reinterpret_cast<const char*>(message)));
  }
  code->jit = pcre2_jit_compile(code->regex, PCRE2_JIT_COMPLETE) == 0;
  return Pattern(std::move(code));
}

absl::StatusOr<Pattern> Pattern::Compile(std::string_view oniguruma) {
  ASSIGN_OR_RETURN(const std::string pcre, TranslatePattern(oniguruma));
  return CompileTranslated(pcre, oniguruma);
}

absl::StatusOr<Pattern> Pattern::Literal(std::string_view text) {
  std::string pcre;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool symbol = byte < 0x80 && !(byte >= '0' && byte <= '9') &&
                        !(byte >= 'A' && byte <= 'Z') && !(byte >= 'a' && byte <= 'z');
    if (symbol) pcre += '\\';
    pcre += c;
  }
  return CompileTranslated(pcre, text);
}

void Pattern::Split(std::string_view text, const std::vector<Piece>& pieces,
                    std::vector<Piece>* out) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create(1, nullptr), &pcre2_match_data_free);
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(match.get());
  for (const Piece& piece : pieces) {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data() + piece.begin);
    const size_t length = piece.end - piece.begin;
    size_t done = 0, from = 0;
    const auto emit = [&](size_t begin, size_t end) {
      if (end > begin) out->push_back({piece.begin + begin, piece.begin + end});
    };
    while (from < length) {
      int rc = code_->jit ? pcre2_jit_match(code_->regex, subject, length, from, PCRE2_NO_UTF_CHECK,
                                            match.get(), nullptr)
                          : PCRE2_ERROR_JIT_STACKLIMIT;
      if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(code_->regex, subject, length, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         match.get(), nullptr);
      }
      // A pattern that runs into PCRE2's match limit is treated as one that does not match: the
      // text stays one piece.
      if (rc < 0) break;
      if (found[1] <= found[0]) {  // empty match: not a cut; look on from the next character
        from = found[0] + 1;
        while (from < length && (subject[from] & 0xC0) == 0x80) ++from;
        continue;
      }
      emit(done, found[0]);
      emit(found[0], found[1]);
      done = from = found[1];
    }
    emit(done, length);
  }
}

}  // namespace deepseek::engine
