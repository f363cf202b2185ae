#include "vmm/config/nesting.hpp"

namespace vmm {

namespace {

/// The text, token by token, with comments and strings left out. https://toml.io/en/v1.0.0
class Tokens {
  public:
    explicit Tokens(std::string_view text) : rest_{text} {}

    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    /// Of the token that was taken last.
    [[nodiscard]] toml::source_position where() const { return where_; }

    /// A punctuation mark or a line's end. Anything else is a space.
    char take()
    {
        where_ = next_;
        auto const c = step();
        switch (c) {
        case '#': skip_comment(); return ' ';
        case '"':
        case '\'': skip_string(c); return ' ';
        default: return c;
        }
    }

  private:
    char step()
    {
        auto const c = rest_.front();
        rest_.remove_prefix(1);
        constexpr unsigned char continuation_mask = 0xC0; // of UTF-8: the rest of a character
        constexpr unsigned char continuation = 0x80;
        if (c == '\n')
            next_ = {next_.line + 1, 1};
        else if ((static_cast<unsigned char>(c) & continuation_mask) != continuation)
            ++next_.column;
        return c;
    }

    void skip_comment()
    {
        while (!at_end() && rest_.front() != '\n')
            step();
    }

    [[nodiscard]] bool is_next(char quote, std::size_t times) const
    {
        return rest_.size() >= times && rest_.find_first_not_of(quote) >= times;
    }

    /// Its first quote has been taken.
    void skip_string(char quote)
    {
        bool const has_escapes = quote == '"';
        bool const has_lines = is_next(quote, 2);
        if (has_lines) skip(2);
        while (!at_end()) {
            auto const c = step();
            if (c == '\\' && has_escapes && !at_end())
                step();
            else if (!has_lines && (c == quote || c == '\n'))
                return;
            else if (has_lines && c == quote && is_next(quote, 2))
                return end_of_lines(quote);
        }
    }

    /// The first of the closing quotes has been taken. Up to two before them belong to the string.
    void end_of_lines(char quote)
    {
        for (int i = 0; i < 4 && is_next(quote, 1); ++i)
            step();
    }

    void skip(std::size_t count)
    {
        for (; count > 0; --count)
            step();
    }

    std::string_view rest_;
    toml::source_position next_{1, 1};
    toml::source_position where_{1, 1};
};

} // namespace

std::optional<toml::source_position> find_nesting(std::string_view text, std::size_t most)
{
    std::size_t brackets = 0;
    std::size_t dots = 0; // in this key, or number
    for (Tokens tokens{text}; !tokens.at_end();) {
        auto const token = tokens.take();
        switch (token) {
        case '.': ++dots; break;
        case '[':
        case '{': ++brackets; [[fallthrough]];
        case '=':
        case ',':
        case '\n': dots = 0; break;
        case ']':
        case '}':
            dots = 0;
            if (brackets > 0) --brackets;
            break;
        default: break;
        }
        if (brackets > most || dots >= most) return tokens.where();
    }
    return std::nullopt;
}

} // namespace vmm
