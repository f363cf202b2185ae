#include "vmm/jail/violation.hpp"

#include "vmm/jail/thread_programs.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace vmm::jail {

namespace {

LastAct last_act = nullptr;

/// A line that is put together without allocating.
class Line {
  public:
    Line& operator<<(std::string_view text)
    {
        auto const room = bytes_.size() - size_;
        auto const size = text.size() < room ? text.size() : room;
        std::memcpy(bytes_.data() + size_, text.data(), size);
        size_ += size;
        return *this;
    }
    Line& operator<<(int number)
    {
        std::array<char, 12> digits{};
        auto at = digits.size();
        auto rest = static_cast<unsigned>(number < 0 ? 0 : number);
        do {
            digits[--at] = static_cast<char>('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        return *this << std::string_view{&digits[at], digits.size() - at};
    }
    void put_hexadecimal(std::uint32_t value)
    {
        *this << " 0x";
        for (int shift = 28; shift >= 0; shift -= 4)
            *this << std::string_view{"0123456789abcdef"}.substr(value >> shift & 0xF, 1);
    }
    void write() const
    {
        ::pollfd to{STDERR_FILENO, POLLOUT, 0};
        if (::poll(&to, 1, 0) == 1 && (to.revents & POLLOUT) != 0)
            (void)!::write(STDERR_FILENO, bytes_.data(), size_);
    }

  private:
    std::array<char, 256> bytes_{};
    std::size_t size_ = 0;
};

extern "C" void end_at_violation(int, siginfo_t* info, void* context)
{
    if (last_act) last_act();
    std::array<char, 16> thread{};
    (void)::prctl(PR_GET_NAME, thread.data(), 0L, 0L, 0L);
    Line line;
    line << "porthole: thread '" << thread.data() << "' made system call " << info->si_syscall << " ("
         << call_name(info->si_syscall);
    if (info->si_syscall == SYS_ioctl) // with which request
        line.put_hexadecimal(
            static_cast<std::uint32_t>(static_cast<ucontext_t const*>(context)->uc_mcontext.gregs[REG_RSI]));
    line << "), which its jail does not allow: the process ends here; see --jail in porthole(1)\n";
    line.write();
    ::_exit(violation_status);
}

} // namespace

void tell_violations()
{
    struct sigaction action {};
    action.sa_sigaction = end_at_violation;
    action.sa_flags = SA_SIGINFO;
    ::sigfillset(&action.sa_mask);
    ::sigaction(SIGSYS, &action, nullptr);
}

void set_last_act(LastAct act)
{
    last_act = act;
}

void end_unconfined(char const* thread, char const* why)
{
    if (last_act) last_act();
    Line line;
    line << "porthole: the jail of thread '" << thread << "' cannot be closed: " << why
         << ": the process ends here; see --jail in porthole(1)\n";
    line.write();
    ::_exit(violation_status);
}

} // namespace vmm::jail
