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

    /// An array of 64-bit numbers.
    [[nodiscard]] bool take(std::span<std::byte const>& out, std::uint64_t count)
    {
        if (rest_.size() / sizeof(std::uint64_t) < count) return false;
        out = rest_.first(count * sizeof(std::uint64_t));
        rest_ = rest_.subspan(out.size());
        return true;
    }

  private:
    std::span<std::byte const> rest_;
};

std::uint64_t number_at(std::span<std::byte const> numbers, std::size_t n)
{
    std::uint64_t value = 0;
    std::memcpy(&value, &numbers[n * sizeof value], sizeof value);
    return value;
}

/// The bytes of a range whose pages have these numbers. A long transfer has hundreds: what follows on in memory is
/// looked up only once.
bool append(std::vector<GuestSpan>& out, abi::GpaRange const& range, std::span<std::byte const> numbers,
            GuestMemory const& memory)
{
    auto const count = numbers.size() / sizeof(std::uint64_t);
    std::uint64_t offset = range.byte_offset;
    std::uint64_t left = range.byte_count;
    for (std::size_t n = 0; n < count;) {
        auto const first = number_at(numbers, n);
        if (first > ~std::uint64_t{0} / page_size) return false;
        auto const in_region = memory.from(Gpa{first * page_size});
        if (in_region.empty()) return false;
        auto const most = std::min(count - n, in_region.size() / page_size);
        std::size_t run = 1;
        while (run < most && number_at(numbers, n + run) == first + run)
            ++run;
        auto const size = std::min(left, run * page_size - offset);
        append(out, in_region.subspan(offset, size));
        n += run;
        left -= size;
        offset = 0;
    }
    return true;
}

} // namespace

bool gpa_direct(Packet const& packet, GuestMemory const& memory, std::uint64_t max_bytes, std::vector<GuestSpan>& out)
{
    out.clear();
    if (packet.type() != abi::PacketType::DataUsingGpaDirect) return false;
    Reader reader{packet.header};
    abi::GpaDirectHeader header{};
    if (!reader.take(header)) return false;
    out.reserve(packet.header.size() / sizeof(std::uint64_t)); // no range can have more pages, nor all of them

    std::uint64_t total = 0;
    for (std::uint32_t i = 0; i < header.range_count; ++i) {
        abi::GpaRange range{};
        if (!reader.take(range) || range.byte_offset >= page_size) return false;
        total += range.byte_count;
        if (total > max_bytes) return false;
        auto const pages = (std::uint64_t{range.byte_offset} + range.byte_count + page_size - 1) / page_size;
        std::span<std::byte const> numbers;
        if (range.byte_count != 0 && (!reader.take(numbers, pages) || !append(out, range, numbers, memory)))
            return false;
    }
    return true;
}

} // namespace hv::vmbus
