#include "vmm/jail/seccomp_filter.hpp"

#include "vmm/host/unique_fd.hpp"
#include "vmm/jail/shorter_program.hpp"

#include <linux/filter.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <seccomp.h>
#include <span>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace vmm::jail {

namespace {

/// libseccomp's functions return a negative errno.
void require(int result, char const* what)
{
    if (result < 0) throw std::system_error{-result, std::generic_category(), what};
}

scmp_arg_cmp to_comparison(Argument const& argument)
{
    auto const compare = [&](scmp_compare how) { return scmp_arg_cmp{argument.index, how, argument.value, 0}; };
    switch (argument.is) {
    case Argument::Is::Equal: return compare(SCMP_CMP_EQ);
    case Argument::Is::Different: return compare(SCMP_CMP_NE);
    case Argument::Is::AtMost: return compare(SCMP_CMP_LE);
    case Argument::Is::AtLeast: return compare(SCMP_CMP_GE);
    case Argument::Is::Masked: break;
    }
    return {argument.index, SCMP_CMP_MASKED_EQ, argument.mask, argument.value};
}

} // namespace

void SeccompFilter::Free::operator()(void* context) const
{
    ::seccomp_release(context);
}

namespace {

std::uint32_t action_of(SeccompFilter::Otherwise otherwise)
{
    switch (otherwise) {
    case SeccompFilter::Otherwise::Trap: return SCMP_ACT_TRAP;
    case SeccompFilter::Otherwise::Refuse: return SCMP_ACT_ERRNO(ENOSYS);
    case SeccompFilter::Otherwise::KillProcess: break;
    }
    return SCMP_ACT_KILL_PROCESS;
}

} // namespace

SeccompFilter::SeccompFilter(Otherwise otherwise) : context_{::seccomp_init(action_of(otherwise))}
{
    if (!context_) throw std::bad_alloc{};
    require(::seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "seccomp_attr_set");
    require(::seccomp_attr_set(context_.get(), SCMP_FLTATR_API_SYSRAWRC, 1), "seccomp_attr_set");
    constexpr std::uint32_t binary_tree = 2;
    require(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, binary_tree), "seccomp_attr_set");
}

SeccompFilter::SeccompFilter(SeccompFilter&&) noexcept = default;
SeccompFilter& SeccompFilter::operator=(SeccompFilter&&) noexcept = default;
SeccompFilter::~SeccompFilter() = default;

void SeccompFilter::add(std::uint32_t action, int call, std::initializer_list<Argument> conditions)
{
    std::array<scmp_arg_cmp, 6> comparisons{};
    if (conditions.size() > comparisons.size())
        throw std::system_error{EINVAL, std::generic_category(), "seccomp_rule_add"};
    unsigned count = 0;
    for (auto const& condition : conditions)
        comparisons[count++] = to_comparison(condition);
    require(::seccomp_rule_add_exact_array(context_.get(), action, call, count, comparisons.data()),
            "seccomp_rule_add");
}

SeccompFilter& SeccompFilter::allow(std::initializer_list<int> calls)
{
    for (auto const call : calls)
        add(SCMP_ACT_ALLOW, call, {});
    return *this;
}

SeccompFilter& SeccompFilter::allow(int call, std::initializer_list<Argument> conditions)
{
    add(SCMP_ACT_ALLOW, call, conditions);
    return *this;
}

SeccompFilter& SeccompFilter::refuse(int call, int error, std::initializer_list<Argument> conditions)
{
    add(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), call, conditions);
    return *this;
}

SeccompFilter& SeccompFilter::trap(int call)
{
    add(SCMP_ACT_TRAP, call, {});
    return *this;
}

SeccompFilter& SeccompFilter::allow_for_sanitizers()
{
    if constexpr (sanitized) {
        allow(SYS_mmap, {Argument::masked(2, PROT_EXEC, 0)});
        allow({SYS_sigaltstack, SYS_pipe, SYS_pipe2, SYS_munmap, SYS_madvise, SYS_futex, SYS_sched_yield, SYS_gettid,
               SYS_getpid, SYS_sched_getaffinity, SYS_sched_getscheduler, SYS_sched_getparam});
    }
    return *this;
}

std::vector<std::byte> SeccompFilter::program() const
{
    std::array<int, 2>
        ends{}; // of a pipe: a limit on the size of files is none on it, and it holds the largest program
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::generic_category(), "pipe2"};
    UniqueFd const from{ends[0]};
    UniqueFd to{ends[1]};
    require(::seccomp_export_bpf(context_.get(), to.get()), "seccomp_export_bpf");
    to.reset();
    constexpr std::size_t most = 4096 * sizeof(sock_filter); // BPF_MAXINSNS
    std::vector<std::byte> bytes(most);
    auto const size = ::read(from.get(), bytes.data(), bytes.size());
    if (size < 0) throw std::system_error{errno, std::generic_category(), "read"};
    std::vector<sock_filter> steps(static_cast<std::size_t>(size) / sizeof(sock_filter));
    std::memcpy(steps.data(), bytes.data(), steps.size() * sizeof(sock_filter));
    auto const shorter = shorten(steps);
    auto const out = std::as_bytes(std::span{shorter});
    return {out.begin(), out.end()};
}

void SeccompFilter::load() const
{
    require(::seccomp_load(context_.get()), "seccomp_load");
}

} // namespace vmm::jail
