#include "vmm/jail/landlock.hpp"

#include <linux/landlock.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace vmm::jail {

namespace {

// Younger than the headers that this is compiled with may be: Linux include/uapi/linux/landlock.h.
constexpr std::uint64_t fs_refer = 1U << 13;     ///< version 2
constexpr std::uint64_t fs_truncate = 1U << 14;  ///< version 3
constexpr std::uint64_t fs_ioctl_dev = 1U << 15; ///< version 5
constexpr std::uint64_t net_bind_tcp = 1U << 0;  ///< version 4, as the next
constexpr std::uint64_t net_connect_tcp = 1U << 1;
constexpr std::uint64_t scope_abstract_unix_socket = 1U << 0; ///< version 6, as the next
constexpr std::uint64_t scope_signal = 1U << 1;

struct RulesetAttributes {
    std::uint64_t handled_access_fs = 0;
    std::uint64_t handled_access_net = 0;
    std::uint64_t scoped = 0;
};
static_assert(sizeof(RulesetAttributes) == 24);

struct PortRule {
    std::uint64_t allowed_access = 0;
    std::uint64_t port = 0;
};
constexpr int rule_net_port = 2;

constexpr std::uint64_t read_file = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t read_folder = read_file | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t write_file = read_file | LANDLOCK_ACCESS_FS_WRITE_FILE | fs_truncate;
constexpr std::uint64_t write_folder = read_folder | write_file | LANDLOCK_ACCESS_FS_MAKE_REG |
                                       LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr std::uint64_t of_files = // the kernel refuses the others in a rule for a file
    read_file | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | fs_truncate | fs_ioctl_dev;

std::uint64_t known_files(int version)
{
    std::uint64_t all = (1U << 13) - 1; // EXECUTE to MAKE_SYM
    if (version >= 2) all |= fs_refer;
    if (version >= 3) all |= fs_truncate;
    if (version >= 5) all |= fs_ioctl_dev;
    return all;
}

} // namespace

int Landlock::version()
{
    auto const found = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return found < 0 ? 0 : static_cast<int>(found); // ENOSYS, or EOPNOTSUPP when it is turned off
}

Landlock::Landlock(Handles handles)
{
    auto const kernel = version();
    if (kernel == 0) return;
    RulesetAttributes attributes;
    attributes.handled_access_fs = files_ = known_files(kernel);
    if (handles.tcp && kernel >= knows_tcp) attributes.handled_access_net = ports_ = net_bind_tcp | net_connect_tcp;
    if (handles.scopes && kernel >= knows_scopes) attributes.scoped = scope_abstract_unix_socket | scope_signal;
    auto const size = kernel >= knows_scopes ? 24U : kernel >= knows_tcp ? 16U : 8U;
    rules_ = UniqueFd{static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0U))};
    if (!rules_) throw std::system_error{errno, std::generic_category(), "landlock_create_ruleset"};
}

Landlock& Landlock::allow_read(std::string const& path)
{
    add_path(path, read_folder);
    return *this;
}

Landlock& Landlock::allow_write(std::string const& path)
{
    add_path(path, write_folder);
    return *this;
}

Landlock& Landlock::allow_device(std::string const& path)
{
    add_path(path, write_file | fs_ioctl_dev);
    return *this;
}

Landlock& Landlock::allow_disk(std::string const& path, bool read_only)
{
    add_path(path, read_folder | fs_ioctl_dev | (read_only ? 0 : write_file));
    return *this;
}

Landlock& Landlock::allow_execute(std::string const& path)
{
    add_path(path, read_folder | LANDLOCK_ACCESS_FS_EXECUTE);
    return *this;
}

Landlock& Landlock::allow_sockets(std::string const& folder)
{
    add_path(folder, LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE);
    return *this;
}

Landlock& Landlock::allow_bind(std::uint16_t port)
{
    add_port(port, net_bind_tcp);
    return *this;
}

Landlock& Landlock::allow_connect(std::uint16_t port)
{
    add_port(port, net_connect_tcp);
    return *this;
}

void Landlock::add_path(std::string const& path, std::uint64_t access)
{
    if (!rules_) return;
    UniqueFd const place{::open(path.c_str(), O_PATH | O_CLOEXEC)};
    struct ::stat about {};
    if (!place || ::fstat(place.get(), &about) != 0) throw std::system_error{errno, std::generic_category(), path};
    landlock_path_beneath_attr rule{};
    rule.allowed_access = access & files_ & (S_ISDIR(about.st_mode) ? ~std::uint64_t{0} : of_files);
    rule.parent_fd = place.get();
    if (::syscall(SYS_landlock_add_rule, rules_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0U) != 0)
        throw std::system_error{errno, std::generic_category(), path};
}

void Landlock::add_port(std::uint16_t port, std::uint64_t access)
{
    if (!rules_ || (ports_ & access) == 0) return;
    PortRule const rule{access, port};
    if (::syscall(SYS_landlock_add_rule, rules_.get(), rule_net_port, &rule, 0U) != 0)
        throw std::system_error{errno, std::generic_category(), "port " + std::to_string(port)};
}

bool Landlock::restrict_self() const
{
    if (!rules_) return false;
    if (::syscall(SYS_landlock_restrict_self, rules_.get(), 0U) != 0)
        throw std::system_error{errno, std::generic_category(), "landlock_restrict_self"};
    return true;
}

} // namespace vmm::jail
