// Errors are values. Every operation that can fail returns Result<T>: the value, or an Error that carries an errno
// for the caller (often to be handed to a guest unchanged) and a context for the human ("open /etc/x").
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace pagefold {

struct Error {
  int code = 0;         // an errno value, > 0
  std::string context;  // what was attempted, on what; empty when the errno says it all

  [[nodiscard]] std::string message() const {
    const std::string reason = std::strerror(code);
    return context.empty() ? reason : context + ": " + reason;
  }
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(int code, std::string context = {}) {
  return tl::unexpected<Error>(Error{code, std::move(context)});
}

// Takes errno at the moment of the call.
inline tl::unexpected<Error> fail_errno(std::string_view context) {
  const int code = errno;
  return fail(code, std::string(context));
}

}  // namespace pagefold

// Evaluates a Result; on error returns it from the enclosing function, otherwise yields the value.
#define PAGEFOLD_TRY(expression)                                              \
  __extension__({                                                             \
    auto pagefold_result = (expression);                                      \
    if (!pagefold_result) return tl::unexpected(std::move(pagefold_result).error()); \
    std::move(pagefold_result).value();                                       \
  })

// The same for Result<void>.
#define PAGEFOLD_CHECK(expression)                                            \
  do {                                                                        \
    auto pagefold_result = (expression);                                      \
    if (!pagefold_result) return tl::unexpected(std::move(pagefold_result).error()); \
  } while (false)
