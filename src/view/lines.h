// The lines of a text, without their newlines, to be read in a range-for. A text that ends in a newline has no empty
// line after it.
#pragma once

#include <cstddef>
#include <string_view>

namespace pagefold::view {

class Lines {
 public:
  class Iterator {
   public:
    explicit Iterator(std::string_view rest) : rest_(rest) {}
    std::string_view operator*() const { return rest_.substr(0, rest_.find('\n')); }
    Iterator& operator++() {
      const std::size_t newline = rest_.find('\n');
      rest_ = newline == std::string_view::npos ? std::string_view{} : rest_.substr(newline + 1);
      return *this;
    }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return a.rest_.size() != b.rest_.size(); }

   private:
    std::string_view rest_;
  };

  explicit Lines(std::string_view text) : text_(text) {}
  [[nodiscard]] Iterator begin() const { return Iterator(text_); }
  [[nodiscard]] Iterator end() const { return Iterator({}); }

 private:
  std::string_view text_;
};

}  // namespace pagefold::view
