// The format library's own code, once, for a command that is linked statically: Debian ships it as a shared object only, and a
// shared C++ library costs every start of the command more time than all that the command does before it starts the program.
// Names each function that the rest of the code refers to; whatever is missing here shows as an undefined symbol at link time.
#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <tuple>

namespace {

namespace detail = fmt::detail;

template <auto... functions>
struct Emit {
  [[gnu::used]] static constexpr auto emitted = std::make_tuple(functions...);
};

template struct Emit<static_cast<std::string (*)(fmt::string_view, fmt::format_args)>(&fmt::vformat),
                     static_cast<void (*)(fmt::string_view, fmt::format_args)>(&fmt::vprint),
                     static_cast<void (*)(std::FILE*, fmt::string_view, fmt::format_args)>(&fmt::vprint),
                     &detail::throw_format_error, static_cast<bool (*)(std::uint32_t)>(&detail::is_printable),
                     &detail::thousands_sep_impl<char>,
                     &detail::decimal_point_impl<char>, &detail::dragonbox::to_decimal<float>,
                     &detail::dragonbox::to_decimal<double>>;

}  // namespace
