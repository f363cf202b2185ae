#include "vmm/memory/guest_ram.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <string>
#include <sys/mman.h>

namespace vmm {

namespace {

constexpr std::uint64_t huge_page = 2 * layout::mib;

} // namespace

GuestRam::GuestRam(MemoryLayout const& layout)
{
    for (auto const& range : layout.ram()) {
        // Room to start at a huge page, as the guest-physical address does.
        auto const size = range.size + huge_page;
        auto* const start =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start == MAP_FAILED)
            throw UserError{"cannot map " + std::to_string(range.size / layout::mib) +
                            " MiB of guest memory: " + devices::os_error(errno) + "; give --memory less"};
        mappings_.push_back({start, size});

        auto const address = reinterpret_cast<std::uintptr_t>(start);
        auto const padding = -address % huge_page;
        auto* const host = static_cast<std::byte*>(start) + padding;
        ::madvise(host, range.size, MADV_HUGEPAGE); // advice: fewer faults where the host can follow it
        ::madvise(host, range.size, MADV_DONTDUMP); // a core dump of Porthole is about Porthole
        memory_.add({range.base, range.size, host});
    }
}

GuestRam::~GuestRam()
{
    for (auto const& mapping : mappings_)
        ::munmap(mapping.start, mapping.size);
}

} // namespace vmm
