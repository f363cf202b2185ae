#include "vmm/firmware/page_buffer.hpp"

#include <new>
#include <sys/mman.h>

namespace vmm::firmware {

PageBuffer::PageBuffer(std::size_t size)
{
    auto* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc{};
    bytes_ = {static_cast<std::byte*>(memory), size};
}

PageBuffer::~PageBuffer()
{
    ::munmap(bytes_.data(), bytes_.size());
}

} // namespace vmm::firmware
