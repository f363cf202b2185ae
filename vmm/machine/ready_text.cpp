#include "vmm/machine/ready_text.hpp"

namespace vmm {

ReadyText::ReadyText(std::string_view text) : text_{text}, fallback_(text.size(), 0)
{
    std::size_t length = 0;
    for (std::size_t n = 1; n < text_.size(); ++n) {
        while (length > 0 && text_[n] != text_[length])
            length = fallback_[length - 1];
        if (text_[n] == text_[length]) ++length;
        fallback_[n] = length;
    }
}

bool ReadyText::feed(std::span<std::byte const> bytes)
{
    bool found = false;
    for (auto const byte : bytes) {
        auto const c = static_cast<char>(byte);
        while (matched_ > 0 && c != text_[matched_])
            matched_ = fallback_[matched_ - 1];
        if (c == text_[matched_]) ++matched_;
        if (matched_ < text_.size()) continue;
        found = true;
        matched_ = fallback_[matched_ - 1];
    }
    return found;
}

} // namespace vmm
