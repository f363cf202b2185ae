#include "vmm/helper/tpm_servers.hpp"

#include "vmm/helper/helper_process.hpp"
#include "vmm/helper/server_news.hpp"
#include "vmm/helper/tpm_supervisor.hpp"

#include <array>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>

namespace vmm::helper {

namespace {

[[noreturn]] void run_tpm(UniqueFd socket, std::string const& folder)
{
    try {
        become_helper("porthole-tpm", std::array{socket.get()});
        supervise_tpm(std::move(socket), folder);
    } catch (std::exception const&) { // whoever waits sees that nobody answers
    }
    ::_exit(EXIT_SUCCESS);
}

class WatchedSwtpm final : public devices::tpm::SwtpmProcess {
  public:
    WatchedSwtpm(ForkedHelper helper, UniqueFd connection)
        : helper_{std::move(helper)}, connection_{std::move(connection)}
    {}
    /// Those that have it have let go of it: it writes what it has, and ends.
    ~WatchedSwtpm() override
    {
        constexpr int patience_ms = 3000; // what it keeps is on the disk after each command
        connection_.reset();
        helper_.socket.reset();
        (void)helper_.process->ended_within(patience_ms);
    }

    UniqueFd take_connection() override { return std::move(connection_); }

    std::string how_it_ended() override
    {
        constexpr int patience_ms = 3000; // its sockets close before it is known how it ended
        auto const news = receive_server_news(helper_.socket.get(), patience_ms);
        return news && !news->end.empty() ? news->end : "is not watched any more";
    }

  private:
    ForkedHelper helper_;
    UniqueFd connection_;
};

} // namespace

TpmServers::TpmServers(std::span<GuestOptions const> guests)
{
    for (std::size_t i = 0; i < guests.size(); ++i) {
        if (guests[i].tpm.empty()) continue;
        processes_[i] = fork_helper([&](UniqueFd socket) { run_tpm(std::move(socket), guests[i].tpm); });
    }
}

std::unique_ptr<devices::tpm::SwtpmProcess> TpmServers::take(std::size_t guest)
{
    constexpr int patience_ms = 30'000; // a machine may be busy
    auto helper = std::move(processes_.extract(guest).mapped());
    auto news = receive_server_news(helper.socket.get(), patience_ms);
    if (!news) throw std::runtime_error{"the process that starts swtpm (porthole-tpm) does not answer"};
    if (!news->connection) throw std::runtime_error{news->end};
    return std::make_unique<WatchedSwtpm>(std::move(helper), std::move(news->connection));
}

} // namespace vmm::helper
