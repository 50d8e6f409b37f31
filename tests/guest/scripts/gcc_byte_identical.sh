# The compilers' results, byte by byte: objects, programs, libraries, with and without optimisation and debug data.
command -v gcc > /dev/null && command -v g++ > /dev/null || { echo "gcc and g++ are not installed"; exit 77; }
set -eu
cat > hello.c << 'END'
#include <stdio.h>
#include <string.h>
static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(int argc, char** argv) { printf("hello %d %zu\n", fib(20), strlen(argv[0]) > 0 ? (size_t)argc : 0); return 0; }
END
cat > many.cc << 'END'
#include <algorithm>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>
template <int N> struct Sum { static constexpr long value = N + Sum<N - 1>::value; };
template <> struct Sum<0> { static constexpr long value = 0; };
int main() {
  std::map<std::string, std::vector<int>> words;
  for (int i = 0; i < 1000; ++i) words["w" + std::to_string(i % 10)].push_back(i);
  for (auto& [word, list] : words) std::sort(list.rbegin(), list.rend());
  try { throw std::runtime_error("thrown"); } catch (const std::exception& e) { std::cout << e.what() << '\n'; }
  std::cout << words["w3"].front() << ' ' << Sum<500>::value << ' ' << std::regex_match("abc123", std::regex("[a-z]+\\d+")) << '\n';
}
END
export SOURCE_DATE_EPOCH=1577836800
for flags in -O0 -O2 '-O3 -march=x86-64-v2'; do gcc $flags -c hello.c -o hello.o; gcc $flags hello.c -o hello; sha256sum hello.o hello; ./hello; done
gcc -O2 -g -fdebug-prefix-map="$PWD"=. hello.c -o hello; sha256sum hello
gcc -static -O1 hello.c -o static; sha256sum static; ./static
gcc -shared -fPIC -O2 -Dmain=library hello.c -o libhello.so; sha256sum libhello.so
gcc -S -O2 hello.c -o - | sha256sum; gcc -E hello.c | sha256sum; gcc -M hello.c | wc -w
g++ -O2 -std=c++20 -c many.cc -o many.o; sha256sum many.o; g++ many.o -o many; sha256sum many; ./many
g++ -O1 -pipe -x c++ hello.c -o piped; ./piped; gcc -save-temps -O1 hello.c -o kept; ls hello.[is]
ar rcD lib.a hello.o many.o; sha256sum lib.a; nm hello.o | sort -k3; size many.o | tail -1 | cut -f1-3
strip -o stripped many; sha256sum stripped; ./stripped | head -1; objdump -d hello.o | tail -n +3 | sha256sum; readelf -hW hello | grep -E 'Type|Machine'
echo 'int f( {' > bad.c; gcc -c bad.c 2> errors || echo "gcc said $?"; grep -c error errors
echo 'int main() { return missing(); }' > bad.c; gcc -w bad.c 2> errors || echo "gcc said $?"; grep -o 'undefined reference.*' errors
