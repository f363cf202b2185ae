#include "hv/vmbus/packet.hpp"

namespace hv::vmbus {

namespace {

void append(std::vector<GuestSpan>& spans, GuestSpan next)
{
    if (!spans.empty() && spans.back().data() + spans.back().size() == next.data())
        spans.back() = {spans.back().data(), spans.back().size() + next.size()};
    else
        spans.push_back(next);
}

/// Takes structures off the front of what is left.
class Reader {
  public:
    explicit Reader(std::span<std::byte const> bytes) : rest_{bytes} {}

    template <typename T>
    [[nodiscard]] bool take(T& out)
    {
        if (rest_.size() < sizeof(T)) return false;
        std::memcpy(&out, rest_.data(), sizeof(T));
        rest_ = rest_.subspan(sizeof(T));
        return true;
    }

  private:
    std::span<std::byte const> rest_;
};

} // namespace

bool gpa_direct(Packet const& packet, GuestMemory const& memory, std::uint64_t max_bytes, std::vector<GuestSpan>& out)
{
    out.clear();
    if (packet.type() != abi::PacketType::DataUsingGpaDirect) return false;
    Reader reader{packet.header};
    abi::GpaDirectHeader header{};
    if (!reader.take(header)) return false;

    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < header.range_count; ++i) {
        abi::GpaRange range{};
        if (!reader.take(range) || range.byte_offset >= page_size) return false;
        total += range.byte_count;
        if (total > max_bytes) return false;
        std::uint64_t offset = range.byte_offset;
        for (std::uint64_t left = range.byte_count; left > 0;) {
            std::uint64_t page_number = 0;
            if (!reader.take(page_number) || page_number > ~std::uint64_t{0} / page_size) return false;
            auto* const page = memory.page(Gpa{page_number * page_size});
            if (!page) return false;
            auto const piece = std::min(left, page_size - offset);
            append(out, {page + offset, piece});
            left -= piece;
            offset = 0;
        }
    }
    return true;
}

} // namespace hv::vmbus
