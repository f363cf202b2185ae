/// A guest's RAM and the files to load into it, for tests of boot and ACPI code.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vmm::testing {

using Bytes = std::vector<std::byte>;

/// Fresh, zeroed RAM of a given layout. Only what is touched takes memory on the host.
class GuestRam {
  public:
    explicit GuestRam(std::uint64_t bytes);
    ~GuestRam();
    GuestRam(GuestRam const&) = delete;
    GuestRam& operator=(GuestRam const&) = delete;

    [[nodiscard]] MemoryLayout const& layout() const { return layout_; }
    [[nodiscard]] hv::GuestMemory const& memory() const { return memory_; }

    /// What lies at `gpa`; fails the test when that is not RAM.
    template <typename T>
    [[nodiscard]] T get(std::uint64_t gpa) const
    {
        T value{};
        std::memcpy(&value, host(gpa, sizeof value), sizeof value);
        return value;
    }

    [[nodiscard]] Bytes bytes(std::uint64_t gpa, std::uint64_t size) const
    {
        auto const* const from = host(gpa, size);
        return {from, from + size};
    }

    [[nodiscard]] std::string text(std::uint64_t gpa) const { return reinterpret_cast<char const*>(host(gpa, 1)); }

  private:
    [[nodiscard]] std::byte const* host(std::uint64_t gpa, std::uint64_t size) const;

    MemoryLayout layout_;
    hv::GuestMemory memory_;
};

/// A regular file without a name in the file system; gone with this object.
class ScratchFile {
  public:
    explicit ScratchFile(std::span<std::byte const> content);
    ~ScratchFile();
    ScratchFile(ScratchFile const&) = delete;
    ScratchFile& operator=(ScratchFile const&) = delete;

    [[nodiscard]] std::filesystem::path path() const;
    void replace(std::span<std::byte const> content) const;

  private:
    int fd_;
};

template <typename T>
void put(Bytes& bytes, std::size_t offset, T const& value)
{
    if (bytes.size() < offset + sizeof value) bytes.resize(offset + sizeof value);
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// `size` bytes that are the same on each run, and different at each offset of a page.
[[nodiscard]] Bytes pattern(std::size_t size);

} // namespace vmm::testing
