/// What a parent reaches of its child's address spaces, as a VP of the child does (TLFS 2.0a §12.4).
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/partition.hpp"

#include <cstring>
#include <mutex>

namespace hv {

namespace {

/// Moves `size` bytes one way, in aligned pieces of four, two and one, ascending (§12.4.5). `step` gets the offset
/// and an integer whose type is the piece's.
template <typename Step>
void in_pieces(std::byte const* shared, std::size_t size, Step const& step)
{
    auto const address = reinterpret_cast<std::uintptr_t>(shared);
    for (std::size_t done = 0; done < size;) {
        auto const left = size - done;
        auto const at = address + done;
        if (at % 4 == 0 && left >= 4)
            done += step(done, std::uint32_t{});
        else if (at % 2 == 0 && left >= 2)
            done += step(done, std::uint16_t{});
        else
            done += step(done, std::uint8_t{});
    }
}

void read_pieces(std::span<std::byte> to, std::byte const* from)
{
    in_pieces(from, to.size(), [&]<typename Piece>(std::size_t offset, Piece piece) {
        piece = __atomic_load_n(reinterpret_cast<Piece const*>(from + offset), __ATOMIC_RELAXED);
        std::memcpy(to.data() + offset, &piece, sizeof piece);
        return sizeof piece;
    });
}

void write_pieces(std::byte* to, std::span<std::byte const> from)
{
    in_pieces(to, from.size(), [&]<typename Piece>(std::size_t offset, Piece piece) {
        std::memcpy(&piece, from.data() + offset, sizeof piece);
        __atomic_store_n(reinterpret_cast<Piece*>(to + offset), piece, __ATOMIC_RELAXED);
        return sizeof piece;
    });
}

/// A child's pages. With the lock of its parent's Children held.
class MappedPages final : public PageSource {
  public:
    MappedPages(GpaMap const& map, GuestMemory const& parents) : map_{map}, parents_{parents} {}

    [[nodiscard]] Page find(std::uint64_t page) const override
    {
        auto const run = map_.find(page);
        if (!run) return {};
        if (run->access == GpaAccess::None) return {true, GpaAccess::None, nullptr};
        auto* const host = parents_.page(Gpa{(run->source + (page - run->page)) * page_size});
        return {true, host ? run->access : GpaAccess::None, host};
    }

  private:
    GpaMap const& map_;
    GuestMemory const& parents_;
};

} // namespace

std::optional<Translation> Children::translate(Partition& child, PagingRegisters const& registers,
                                               std::uint64_t linear, AccessIntent const& intent) const
{
    std::lock_guard const guard{lock_};
    return hv::translate(MappedPages{child.child()->map, parent_.memory()}, registers, linear, intent);
}

abi::AccessGpaResult Children::read(Partition& child, Gpa gpa, std::span<std::byte> to) const
{
    std::lock_guard const guard{lock_};
    auto const page = MappedPages{child.child()->map, parent_.memory()}.find(gpa.value / page_size);
    if (!page.mapped) return abi::AccessGpaResult::Unmapped;
    if (page.access == GpaAccess::None) return abi::AccessGpaResult::ReadIntercept;
    read_pieces(to, page.host + gpa.value % page_size);
    return abi::AccessGpaResult::Success;
}

abi::AccessGpaResult Children::write(Partition& child, Gpa gpa, std::span<std::byte const> from) const
{
    std::lock_guard const guard{lock_};
    auto const page = MappedPages{child.child()->map, parent_.memory()}.find(gpa.value / page_size);
    if (!page.mapped) return abi::AccessGpaResult::Unmapped;
    if (page.access != GpaAccess::ReadWrite) return abi::AccessGpaResult::WriteIntercept;
    write_pieces(page.host + gpa.value % page_size, from);
    return abi::AccessGpaResult::Success;
}

} // namespace hv
