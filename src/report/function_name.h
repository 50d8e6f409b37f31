// A function's name as a report shows it: that of C++ code demangled, without its parameters, whose types would fill lines:
// rocksdb::DB::Open, not rocksdb::DB::Open(rocksdb::Options const&, std::__cxx11::basic_string<char, ...> const&, rocksdb::DB**).
#pragma once

#include <string>

namespace pagefold::report {

// `symbol` as it stands in a symbol table; what is not mangled is returned as it is.
std::string function_name(const char* symbol);

}  // namespace pagefold::report
