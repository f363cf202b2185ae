#include "vmm/control/reply.hpp"

#include "vmm/control/json_text.hpp"

#include <atomic>
#include <nlohmann/json.hpp>
#include <utility>

namespace vmm::control {

struct Reply::Shared {
    explicit Shared(Send to) : send{std::move(to)} {}
    Shared(Shared const&) = delete;
    Shared& operator=(Shared const&) = delete;
    ~Shared()
    {
        if (!given.load()) send(error_line("there is no answer: the guest has ended, or ends"));
    }

    Send send;
    std::atomic<bool> given{false};
};

Reply::Reply(Send send) : shared_{std::make_shared<Shared>(std::move(send))} {}

void Reply::answer(nlohmann::json const& value) const
{
    if (shared_->given.exchange(true)) return;
    shared_->send(to_text({{"return", value}}) + "\n");
}

void Reply::fail(std::string const& text) const
{
    if (shared_->given.exchange(true)) return;
    shared_->send(error_line(text));
}

std::string error_line(std::string const& text)
{
    return to_text({{"error", text}}) + "\n";
}

} // namespace vmm::control
