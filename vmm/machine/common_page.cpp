#include "vmm/machine/common_page.hpp"

#include <cstring>
#include <new>
#include <sys/mman.h>

namespace vmm {

namespace {

std::byte* map_page(int sharing)
{
    auto* const page = ::mmap(nullptr, hv::page_size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? nullptr : static_cast<std::byte*>(page);
}

} // namespace

std::unique_ptr<MappedCommonPage> MappedCommonPage::make()
{
    auto* const page = map_page(MAP_SHARED);
    if (!page) return nullptr;
    std::unique_ptr<MappedCommonPage> made{new (std::nothrow) MappedCommonPage{page}};
    if (!made) ::munmap(page, hv::page_size);
    return made;
}

MappedCommonPage::~MappedCommonPage()
{
    ::munmap(host_, hv::page_size);
}

/// An old size of zero makes a second mapping of a shared page (mremap(2)). Both this and the move below replace what
/// was mapped there in one step, so that a running guest finds one memory or the other and never none.
bool MappedCommonPage::show_at(std::byte* guest_page)
{
    auto* const shown = ::mremap(host_, 0, hv::page_size, MREMAP_MAYMOVE | MREMAP_FIXED, guest_page);
    if (shown == MAP_FAILED) return false;
    ::madvise(guest_page, hv::page_size, MADV_DONTDUMP);
    return true;
}

void MappedCommonPage::hide_at(std::byte* guest_page, hv::PageContent const& content)
{
    auto* const page = map_page(MAP_PRIVATE);
    if (!page) return;
    std::memcpy(page, content.data(), content.size());
    ::madvise(page, hv::page_size, MADV_DONTDUMP);
    if (::mremap(page, hv::page_size, hv::page_size, MREMAP_MAYMOVE | MREMAP_FIXED, guest_page) == MAP_FAILED)
        ::munmap(page, hv::page_size);
}

} // namespace vmm
