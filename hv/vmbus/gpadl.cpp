#include "hv/vmbus/gpadl.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hv::vmbus {

namespace {

bool adjacent(std::vector<std::byte*> const& pages)
{
    return std::ranges::adjacent_find(pages, [](auto* a, auto* b) { return a + page_size != b; }) == pages.end();
}

} // namespace

Gpadl::Gpadl(std::vector<std::byte*> pages, std::uint32_t first_offset, std::uint32_t size,
             std::shared_ptr<void const> kept)
    : pages_{std::move(pages)},
      first_offset_{first_offset},
      size_{size},
      one_piece_{adjacent(pages_)},
      kept_{std::move(kept)}
{}

Gpadl::~Gpadl()
{
    if (unused_) unused_();
}

std::size_t Gpadl::contiguous(std::uint64_t offset, std::size_t size) const
{
    if (one_piece_) return size;
    auto const from_page = offset + first_offset_;
    auto page = from_page / page_size;
    auto length = page_size - from_page % page_size;
    while (length < size && pages_[page] + page_size == pages_[page + 1]) {
        ++page;
        length += page_size;
    }
    return std::min<std::size_t>(length, size);
}

void Gpadl::read(std::uint64_t offset, void* to, std::size_t size) const
{
    auto* out = static_cast<std::byte*>(to);
    while (size > 0) {
        auto const piece = contiguous(offset, size);
        std::memcpy(out, at(offset), piece);
        out += piece;
        offset += piece;
        size -= piece;
    }
}

void Gpadl::write(std::uint64_t offset, void const* from, std::size_t size) const
{
    auto const* in = static_cast<std::byte const*>(from);
    while (size > 0) {
        auto const piece = contiguous(offset, size);
        std::memcpy(at(offset), in, piece);
        in += piece;
        offset += piece;
        size -= piece;
    }
}

} // namespace hv::vmbus
