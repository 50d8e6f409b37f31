#include "cli/fail.h"

#include <algorithm>

#include "inject/parse.h"

namespace pagefold::cli {

bool asks_for_help(const std::vector<std::string>& texts) { return std::ranges::find(texts, "help") != texts.end(); }

tl::expected<std::vector<inject::Spec>, std::string> read_specs(const std::vector<std::string>& texts) {
  std::vector<inject::Spec> specs;
  for (const std::string& text : texts) {
    auto spec = inject::parse(text);
    if (!spec) return tl::unexpected("run: --fail, " + spec.error().shown(text) + "\n`pagefold run --fail help` prints the grammar.");
    specs.push_back(std::move(*spec));
  }
  return specs;
}

}  // namespace pagefold::cli
