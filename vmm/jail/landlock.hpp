/// Which files and ports a thread may use, whatever its user may: by landlock (Linux 5.13; docs.kernel.org
/// userspace-api/landlock.html).
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <cstdint>
#include <string>

namespace vmm::jail {

/// Nothing is allowed but what is added. Kernels know more kinds of access from version to version, and restrict what
/// they know; without landlock nothing is. Members throw std::system_error, which names the path.
class Landlock {
  public:
    /// Of the kernel's landlock; 0 where there is none.
    [[nodiscard]] static int version();

    static constexpr int knows_tcp = 4;
    static constexpr int knows_scopes = 6;

    struct Handles {
        bool tcp = false;    ///< binding and connecting TCP sockets, from `knows_tcp` on
        bool scopes = false; ///< signals, abstract UNIX sockets: none to processes outside, from `knows_scopes` on
    };

    explicit Landlock(Handles handles);
    Landlock() : Landlock(Handles{}) {}

    /// A file, or a folder with all below. Reading files and, of a folder, its list.
    Landlock& allow_read(std::string const& path);
    /// Also writing and truncating; of a folder also creating and removing files and sockets in it.
    Landlock& allow_write(std::string const& path);
    /// Reading and writing a device, and its ioctls.
    Landlock& allow_device(std::string const& path);
    /// An image, a block device, or a folder of such: reading, and writing or not, and asking a device for its size.
    Landlock& allow_disk(std::string const& path, bool read_only);
    /// A program, or a folder of libraries: reading, and executing.
    Landlock& allow_execute(std::string const& path);
    /// Making and removing sockets and files in a folder, but not reading what is there.
    Landlock& allow_sockets(std::string const& folder);
    Landlock& allow_bind(std::uint16_t port);
    Landlock& allow_connect(std::uint16_t port);

    /// Holds for the calling thread from now on, and for those that it starts; beside what held before. Descriptors
    /// that are open stay as they are. Wants no_new_privs. False where there is no landlock: then nothing has
    /// changed.
    bool restrict_self() const;

  private:
    void add_path(std::string const& path, std::uint64_t access);
    void add_port(std::uint16_t port, std::uint64_t access);

    std::uint64_t files_ = 0; ///< kinds of access that are handled
    std::uint64_t ports_ = 0;
    UniqueFd rules_;
};

} // namespace vmm::jail
