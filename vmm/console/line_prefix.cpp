#include "vmm/console/line_prefix.hpp"

namespace vmm {

namespace {

bool is_printable(char c)
{
    auto const byte = static_cast<unsigned char>(c);
    return c == '\t' || (byte >= ' ' && byte != 0x7F);
}

} // namespace

LinePrefix::LinePrefix(std::string_view name) : prefix_{std::string{name} + "| "}, line_{prefix_} {}

void LinePrefix::feed(std::span<std::byte const> bytes, std::vector<std::byte>& out)
{
    for (auto const byte : bytes) {
        auto const c = static_cast<char>(byte);
        if (c == '\n') {
            end_line(out);
        } else if (c != '\r') {
            if (line_.size() == prefix_.size() + longest_line) end_line(out);
            line_ += is_printable(c) ? c : '.';
        }
    }
}

void LinePrefix::finish(std::vector<std::byte>& out)
{
    if (line_.size() > prefix_.size()) end_line(out);
}

void LinePrefix::end_line(std::vector<std::byte>& out)
{
    line_ += '\n';
    auto const bytes = std::as_bytes(std::span{line_});
    out.insert(out.end(), bytes.begin(), bytes.end());
    line_ = prefix_;
}

} // namespace vmm
