/// A kernel or initrd on the host. Nothing in it is trusted: whoever reads says how much and where from.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/host/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace vmm {

class InputFile {
  public:
    /// Opens a regular file that is not empty. `what` names it in messages: "kernel", "initrd". Throws UserError.
    InputFile(std::filesystem::path const& path, std::string const& what);

    [[nodiscard]] std::uint64_t size() const { return size_; }

    /// For messages: what it is and its path.
    [[nodiscard]] std::string const& name() const { return name_; }

    [[nodiscard]] bool contains(std::uint64_t offset, std::uint64_t size) const
    {
        return offset <= size_ && size <= size_ - offset;
    }

    /// Fills `to` from `offset`. Throws UserError when the file does not have all of it.
    void read(std::uint64_t offset, std::span<std::byte> to) const;

    /// Reads into guest RAM, without a copy in between. Throws UserError as read() does.
    void load(std::uint64_t offset, MemoryRange const& to, hv::GuestMemory const& memory) const;

  private:
    std::string name_;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
};

} // namespace vmm
