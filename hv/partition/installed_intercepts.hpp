/// Which events of a child its parent wants to be told of (TLFS 2.0a §9.1.1).
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/status.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hv {

/// Changed by VPs of the parent, and asked by those of the child, from any thread.
class InstalledIntercepts {
  public:
    /// `all_ports`: an access to any port is an intercept, whatever is installed.
    explicit InstalledIntercepts(bool all_ports) : all_ports_{all_ports}, ports_(all_ports ? 0 : port_words) {}

    /// InvalidParameter: not a type that exists, or not an access, or a parameter out of its range.
    /// OperationDenied: one that no hypervisor below can see.
    [[nodiscard]] Status install(abi::InstallInterceptInput const& in);

    /// Of MSRs that there are not.
    [[nodiscard]] bool has_msr(bool is_write) const;
    /// A longer access is one to each of its ports (§16.5.3).
    [[nodiscard]] bool has_port(std::uint16_t port, std::uint8_t size, bool is_write) const;

  private:
    static constexpr std::size_t ports = 1 << 16;
    static constexpr std::size_t bits_a_word = 64;
    static constexpr std::size_t port_words = 2 * ports / bits_a_word; ///< two bits a port: read, write

    void set_port(std::size_t port, std::uint64_t access);

    bool const all_ports_;
    std::vector<std::atomic<std::uint64_t>> ports_;
    std::atomic<std::uint32_t> msrs_{0}; ///< a mask of accesses
};

} // namespace hv
