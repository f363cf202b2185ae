/// Which files a run may open: those that its options name, and what commands may add later.
#pragma once

#include "devices/base/host_file.hpp"
#include "vmm/host/unique_fd.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vmm::helper {

class FilePolicy {
  public:
    /// A file by the name that the user gave it: regular, a block device, or a device that a machine is made of.
    void allow(std::string const& path, devices::FileAccess access);
    /// All regular files and block devices below a folder, for reading and writing, by whatever name that leads
    /// there. The folder is opened here. Throws std::system_error.
    void allow_folder(std::string const& path);

    /// What is allowed. Nothing, and errno EPERM, for everything else; another errno as the kernel says. Callable
    /// from any thread.
    [[nodiscard]] UniqueFd open(std::string const& path, devices::FileAccess access) const;

  private:
    struct File {
        std::string path;
        devices::FileAccess access;
    };
    struct Folder {
        std::string path; ///< without symbolic links
        UniqueFd fd;
    };
    [[nodiscard]] bool names(std::string_view path, devices::FileAccess access) const;
    [[nodiscard]] UniqueFd open_below(Folder const& folder, std::string const& name,
                                      devices::FileAccess access) const;

    std::vector<File> files_;
    std::vector<Folder> folders_;
};

} // namespace vmm::helper
