#include "vmm/machine/common_page.hpp"

#include "devices/base/unique_fd.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace vmm {

namespace {

std::byte* map_page(int sharing)
{
    auto* const page = ::mmap(nullptr, hv::page_size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? nullptr : static_cast<std::byte*>(page);
}

} // namespace

PageMap::PageMap() : file_{::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)} {}

bool PageMap::is_a_files(std::byte const* page) const
{
    std::uint64_t entry = 0;
    (void)*static_cast<std::byte const volatile*>(page);
    auto const place = reinterpret_cast<std::uintptr_t>(page) / hv::page_size * sizeof entry;
    if (!file_ || ::pread(file_.get(), &entry, sizeof entry, static_cast<off_t>(place)) != sizeof entry) return false;
    return (entry >> 61 & 1) != 0;
}

std::unique_ptr<MappedCommonPage> MappedCommonPage::make(PageMap const& page_map)
{
    auto* const page = map_page(MAP_SHARED);
    if (!page) return nullptr;
    std::unique_ptr<MappedCommonPage> made{new (std::nothrow) MappedCommonPage{page_map, page}};
    if (!made) ::munmap(page, hv::page_size);
    return made;
}

MappedCommonPage::~MappedCommonPage()
{
    for (auto const& covered : covered_)
        ::munmap(covered.below, hv::page_size);
    ::munmap(host_, hv::page_size);
}

/// An old size of zero makes a second mapping of a shared page (mremap(2)). This and the moves below replace what was
/// mapped there in one step, so that a running guest finds one memory or the other and never none.
bool MappedCommonPage::show_at(std::byte* guest_page)
{
    remember_below(guest_page);
    auto* const shown = ::mremap(host_, 0, hv::page_size, MREMAP_MAYMOVE | MREMAP_FIXED, guest_page);
    if (shown == MAP_FAILED) {
        if (auto* const below = take_below(guest_page)) ::munmap(below, hv::page_size);
        return false;
    }
    ::madvise(guest_page, hv::page_size, MADV_DONTDUMP);
    return true;
}

/// Where nothing lies below, it was private memory, which nobody else has.
void MappedCommonPage::hide_at(std::byte* guest_page, hv::PageContent const& content)
{
    auto* const below = take_below(guest_page);
    auto* const page = below ? below : map_page(MAP_PRIVATE);
    if (!page) return;
    std::memcpy(page, content.data(), content.size());
    ::madvise(page, hv::page_size, MADV_DONTDUMP);
    if (::mremap(page, hv::page_size, hv::page_size, MREMAP_MAYMOVE | MREMAP_FIXED, guest_page) == MAP_FAILED)
        ::munmap(page, hv::page_size);
}

void MappedCommonPage::remember_below(std::byte* guest_page)
{
    if (!page_map_.is_a_files(guest_page)) return;
    auto* const below = ::mremap(guest_page, 0, hv::page_size, MREMAP_MAYMOVE);
    if (below == MAP_FAILED) return;
    try {
        std::lock_guard const guard{lock_};
        covered_.push_back({guest_page, static_cast<std::byte*>(below)});
    } catch (std::bad_alloc const&) {
        ::munmap(below, hv::page_size);
    }
}

std::byte* MappedCommonPage::take_below(std::byte* guest_page)
{
    std::lock_guard const guard{lock_};
    auto const found = std::ranges::find(covered_, guest_page, &Covered::guest_page);
    if (found == covered_.end()) return nullptr;
    auto* const below = found->below;
    covered_.erase(found);
    return below;
}

} // namespace vmm
