#include "vmm/helper/helper_process.hpp"
#include "vmm/helper/image_messages.hpp"
#include "vmm/helper/image_policy.hpp"
#include "vmm/helper/image_servers.hpp"
#include "vmm/helper/image_supervisor.hpp"
#include "vmm/helper/server_news.hpp"
#include "vmm/jail/privileges.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <list>
#include <memory>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace vmm::helper {

namespace {

constexpr std::size_t most_at_once = 1024; // guests may have that many disks

class Servers {
  public:
    Servers(RunOptions const& options, std::span<int const> kept)
        : policy_{options}, tools_{find_image_tools()}, kept_{kept.begin(), kept.end()}
    {}

    void serve(int socket)
    {
        for (;;) {
            std::vector<pollfd> polled{{socket, POLLIN, 0}};
            for (auto const& supervisor : supervisors_)
                polled.push_back({supervisor->pidfd(), POLLIN, 0});
            if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
            supervisors_.remove_if([](auto const& supervisor) { return !supervisor->ended_within(0).empty(); });
            if (polled[0].revents == 0) continue;
            auto arrived = receive_image_request(socket);
            if (arrived.end) return;
            if (arrived.answer) answer(arrived);
        }
    }

    /// They are to outlive this process.
    void leave()
    {
        for (auto& supervisor : supervisors_)
            (void)supervisor.release();
    }

  private:
    void answer(ArrivedImageRequest& arrived)
    {
        auto const refuse = [&](char const* why) { (void)send_end(arrived.answer.get(), why); };
        if (!arrived.request || !policy_.allows(*arrived.request))
            return refuse("is not what this run was allowed to have served");
        if (supervisors_.size() >= most_at_once) return refuse("is one too many: take another away first");
        auto const child = ::fork();
        if (child == 0) supervise(std::move(arrived));
        UniqueFd pidfd{child < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, child, 0U))};
        if (!pidfd) return refuse("cannot be served: the host has no process left for it");
        supervisors_.push_back(std::make_unique<ChildProcess>(std::move(pidfd)));
    }

    [[noreturn]] void supervise(ArrivedImageRequest arrived)
    {
        ::prctl(PR_SET_NAME, "porthole-image");
        try {
            auto kept = kept_;
            kept.push_back(arrived.answer.get());
            jail::close_inherited(kept);
            supervise_image(std::move(arrived.answer), *arrived.request, tools_);
        } catch (std::exception const&) { // whoever asks sees that nobody answers
        }
        ::_exit(EXIT_SUCCESS);
    }

    ImagePolicy const policy_;
    ImageTools const tools_;
    std::vector<int> const kept_; ///< descriptors that names of images stand for
    std::list<std::unique_ptr<ChildProcess>> supervisors_;
};

} // namespace

void run_image_servers(UniqueFd socket, std::span<int const> kept, RunOptions const& options)
{
    try {
        std::vector<int> stay(kept.begin(), kept.end());
        stay.push_back(socket.get());
        become_helper("porthole-images", stay);
        Servers servers{options, kept};
        servers.serve(socket.get());
        servers.leave();
    } catch (std::exception const&) { // whoever asks sees that nobody answers
    }
    ::_exit(EXIT_SUCCESS);
}

} // namespace vmm::helper
