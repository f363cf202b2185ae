/// How the first vCPU starts: the outcome of loading a kernel.
#pragma once

#include "hv/abi/types.hpp"

#include <cstdint>

namespace vmm {

struct BootState {
    enum class Mode {
        long_mode,      ///< 64-bit, identity-mapped below 4 GiB
        protected_mode, ///< 32-bit, flat segments, no paging
    };

    Mode mode = Mode::long_mode;
    hv::Gpa entry;
    std::uint64_t rsi = 0; ///< boot_params, by the Linux boot protocol
    std::uint64_t rbx = 0; ///< hvm_start_info, by the PVH boot ABI; the information structure of Multiboot
    std::uint64_t rax = 0; ///< the loader's magic, by the Multiboot specification

    hv::Gpa gdt{};         ///< written by write_processor_tables()
    hv::Gpa page_tables{}; ///< the same, in long mode
};

} // namespace vmm
