#include "devices/vmbus/balloon/testing/balloon_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/machine/guest_balloon.hpp"

using devices::vmbus::Balloon;
using vmm::testing::Contains;
namespace dynamic_memory = devices::vmbus::dynamic_memory;
namespace layout = vmm::layout;

namespace {

/// A bus that has the guest's driver open what it is offered.
class Bus final : public hv::vmbus::Bus {
  public:
    explicit Bus(devices::vmbus::testing::BalloonGuest& guest) : guest_{guest} {}

    void offer(hv::vmbus::OfferSpec const&, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        guest_.device = std::static_pointer_cast<Balloon>(device);
    }
    void withdraw(hv::vmbus::Guid const&) override {}
    hv::vmbus::Runner& runner() override { return guest_.executor; }

  private:
    devices::vmbus::testing::BalloonGuest& guest_;
};

struct Setting {
    static constexpr std::uint64_t start = 64 * layout::mib;
    static constexpr std::uint64_t most = 300 * layout::mib;

    hv::PartitionRegistry registry;
    hv::testing::TestGuest partition{registry}; ///< whose registers say what is covered
    vmm::MemoryLayout const map{start, most};
    vmm::PcMemory memory{map};
    devices::vmbus::testing::BalloonGuest guest;
    Bus bus{guest};
    vmm::GuestBalloon balloon{bus, memory, map, most, partition.partition};

    [[nodiscard]] std::byte* page(std::uint64_t number) const
    {
        return memory.memory().page(hv::Gpa{number * hv::page_size});
    }
};

} // namespace

TEST_CASE("what a guest gives away is the host's, but for what lies under the hypervisor's pages",
          "[machine][balloon]")
{
    Setting s;
    hv::testing::start_synic(s.partition);
    constexpr auto covered = hv::testing::place::message_page / hv::page_size;
    for (auto const number : {covered - 1, covered, std::uint64_t{600}})
        *s.page(number) = std::byte{1};
    s.guest.start();
    s.balloon.resize(Setting::start - 4 * layout::mib);
    CHECK(s.guest.next<dynamic_memory::BalloonRequest>().pages == 1024);
    s.guest.give({{covered - 1, 2}, {512, 512}, {Setting::start / hv::page_size, 1}});
    CHECK(*s.page(covered - 1) == std::byte{1});
    CHECK(*s.page(covered) == std::byte{1});
    CHECK(*s.page(600) == std::byte{0});
    CHECK(s.balloon.status().has == Setting::start - 2 * layout::mib);
    CHECK(s.balloon.status().wanted == Setting::start - 4 * layout::mib);
}

TEST_CASE("memory is there before a guest is offered it", "[machine][balloon]")
{
    Setting s;
    s.guest.start();
    auto const first = 4 * layout::gib / hv::page_size;
    CHECK(s.page(first) == nullptr);
    s.balloon.resize(Setting::most);
    CHECK(s.page(first));
    CHECK(s.page(first + 2 * Balloon::hot_add_block - 1)); // 236 MiB are two blocks
    CHECK(s.page(first + 2 * Balloon::hot_add_block) == nullptr);
    CHECK(s.guest.next<dynamic_memory::HotAddRequest>().range == (first | Balloon::hot_add_block << 40));
}

TEST_CASE("who resizes a guest hears why that cannot be", "[machine][balloon]")
{
    Setting s;
    CHECK_THROWS_WITH(s.balloon.resize(Setting::start), Contains("no driver in the guest listens"));
    CHECK(s.page(4 * layout::gib / hv::page_size) == nullptr);
    s.guest.open();
    CHECK(s.guest.request_version(dynamic_memory::versions::version_1_0));
    s.guest.report_capabilities(dynamic_memory::capability::balloon);
    CHECK_THROWS_AS(s.balloon.resize(Setting::most), vmm::UserError);
    CHECK_NOTHROW(s.balloon.resize(Setting::start));
}
